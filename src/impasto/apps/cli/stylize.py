"""`impasto stylize`, and `impasto recipe`, which prints what `stylize` wrote into a picture."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from impasto.apps.cli.options import UNCHANGED, Options, pictures, whole
from impasto.errors import ParameterError

if TYPE_CHECKING:
    from impasto.engine.stylize import Step
    from impasto.runs.execute import Result, Session


_OUTPUT = Group("Output", sort_key=6)


def stylize(
    content: Annotated[Path | None, Parameter(show_default=False)] = None,
    styles: Annotated[list[Path] | None, Parameter(show_default=False, negative=())] = None,
    *,
    options: Options = UNCHANGED,
    output: Annotated[Path | None, Parameter(alias="-o", group=_OUTPUT)] = None,
    save_every: Annotated[int, Parameter(converter=whole, group=_OUTPUT)] = 0,
    bits: Annotated[Literal[8, 16], Parameter(group=_OUTPUT)] = 8,
    as_json: Annotated[bool, Parameter(name="--json", group=_OUTPUT, negative=())] = False,
    quiet: Annotated[bool, Parameter(alias="-q", group=_OUTPUT, negative=())] = False,
) -> int:
    """Paint CONTENT in the style of one or more STYLES.

    Options that are not given come from the preset (`impasto presets`).

    Parameters
    ----------
    content
        The picture whose content is kept.
    styles
        The pictures whose style is taken.
    output
        Where the result goes: .png, .jpg, .webp or .tiff. Without it CONTENT-STYLE.png in this folder, numbered
        when that exists.
    save_every
        Also save the picture so far every N iterations, as OUT-000N.png.
    bits
        Bits per channel; 16 for PNG and TIFF.
    as_json
        Print one JSON object at the end, and nothing else.
    quiet
        No progress.
    """
    if save_every < 0:
        raise ParameterError(f"--save-every: expected 0 or more, got {save_every}")
    settings, memory = options.build_recipe(), options.memory_bytes
    content, styles = pictures(settings, content, styles or [])
    target = output or _free_name(f"{content.stem}-{styles[0].stem}", ".png")

    # From here on torch is needed, which takes a second to load: everything cheap has been judged.
    from impasto import images
    from impasto.apps.cli.progress import reporter
    from impasto.runs.execute import Session

    images.check_output(target, bits=bits)
    with reporter(quiet=quiet or as_json) as report:
        session = Session(
            settings,
            content,
            styles,
            max_pixels=options.max_pixels,
            memory=memory,
            progress=None if as_json else report.download,
        )
        session.load()
        report.begin(session)
        last: Step | None = None
        notes: list[str] = []
        interrupted = False
        with _interruptible():
            try:
                for last in session:
                    notes += last.notes
                    report.step(last)
                    if save_every and last.done % save_every == 0:
                        path = target.with_name(f"{target.stem}-{last.done:04d}{target.suffix}")
                        images.write(path, last.image, bits=bits, metadata=session.recipe.to_toml())
            except KeyboardInterrupt:
                interrupted = True
        if last is None:
            raise KeyboardInterrupt
        with _undisturbed():
            result = session.result(last, notes=notes)
            result.save(target, bits=bits)
    _say_done(result, session, target, as_json=as_json)
    if interrupted:
        here, left = shlex.quote(str(target)), max(1, last.planned - last.done)
        sys.stderr.write(
            f"impasto: interrupted after {result.steps} iterations; {target} is the picture so far, "
            f"go on with: impasto stylize --recipe {here} --init {here} --steps {left}\n"
        )
        return 1
    return 0


def recipe(picture: Path, /) -> int:
    """Print the recipe inside a picture that impasto painted.

    Parameters
    ----------
    picture
        The picture.
    """
    from impasto import images

    sys.stdout.write(images.read_metadata(picture))
    return 0


def _free_name(stem: str, suffix: str) -> Path:
    """A file in this folder that is not there yet."""
    path, number = Path(stem + suffix), 2
    while os.path.exists(path):  # noqa: PTH110  # Path.exists raises for a name that is too long
        path, number = Path(f"{stem}-{number}{suffix}"), number + 1
    return path


@contextmanager
def _interruptible() -> Iterator[None]:
    """A polite kill saves the picture so far, as Ctrl-C does."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    with _handling({signal.SIGTERM: interrupt}):
        yield


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C, out of impatience, does not lose what the first one saves."""

    def ignore(number: int, frame: object) -> None:
        sys.stderr.write("impasto: saving the picture, one moment\n")

    with _handling({signal.SIGINT: ignore, signal.SIGTERM: ignore}):
        yield


@contextmanager
def _handling(handlers: Mapping[int, Callable[[int, Any], None]]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say_done(result: Result, session: Session, target: Path, *, as_json: bool) -> None:
    width, height = result.size
    if as_json:
        summary = {
            "output": str(target),
            "size": [width, height],
            "steps": result.steps,
            "stopped": result.stopped,
            "seconds": {phase: round(value, 3) for phase, value in result.seconds.items()},
            "loss": result.loss,
            "losses": dict(result.losses),
            "peak_memory": result.peak_memory,
            "device": result.device,
            "precision": result.precision,
            "notes": list(result.notes),
            "recipe": result.recipe.model_dump(mode="json", exclude_none=True),
        }
        sys.stdout.write(json.dumps(summary) + "\n")
        return
    for note in session.notes:
        sys.stderr.write(f"note: {note}\n")
    sys.stdout.write(
        f"{target}: {width}x{height}, {result.steps} iterations, {result.seconds['total']:.0f} s, "
        f"loss {result.loss:.4g}, {result.peak_memory / 1e9:.1f} GB, "
        f"{result.device} {result.precision}\n"
    )
