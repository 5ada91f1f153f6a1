"""`impasto stylize`, and `impasto recipe`, which prints what `stylize` wrote into a picture."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from impasto.apps.cli.options import UNCHANGED, Options, pictures
from impasto.errors import ParameterError

if TYPE_CHECKING:
    from impasto.apps.cli.progress import Reporter
    from impasto.engine.optimize import Step
    from impasto.recipes.recipe import Recipe
    from impasto.runs.recording import Recording, SaveEvery
    from impasto.transfer.result import Result
    from impasto.transfer.session import Session


_OUTPUT = Parameter(group=Group("Output", sort_key=6), negative=())


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Output:
    """Where a new picture goes, and what is told of it.

    Parameters
    ----------
    path
        Where the result goes: .png, .jpg, .webp or .tiff. Without it a PNG in this folder, named after what it is
        painted from and numbered when that exists.
    run
        Keep everything about this picture in a folder: recipe, losses, checkpoints, pictures, result. `impasto
        resume` goes on with it after whatever stopped it.
    save_every
        Also save the picture so far every N iterations, or, with log, ever more rarely: as OUT-000N.png, or in the
        run's folder.
    tensorboard
        Also write losses, memory and pictures for TensorBoard into the run's folder, while it is painted. Needs --run
        and impasto[tensorboard]; look with: tensorboard --logdir RUN.
    bits
        Bits per channel; 16 for PNG and TIFF.
    as_json
        Print one JSON object at the end, and nothing else.
    quiet
        No progress.
    """

    path: Annotated[Path | None, Parameter(name=["--output", "-o"]), _OUTPUT] = None
    run: Annotated[Path | None, _OUTPUT] = None
    save_every: Annotated[str, _OUTPUT] = "0"
    tensorboard: Annotated[bool, _OUTPUT] = False
    bits: Annotated[Literal[8, 16], _OUTPUT] = 8
    as_json: Annotated[bool, Parameter(name="--json"), _OUTPUT] = False
    quiet: Annotated[bool, Parameter(alias="-q"), _OUTPUT] = False

    def named(self, stem: str) -> Output:
        """With a name of that stem where none was given, and no folder either."""
        if self.path is not None or self.run is not None:
            return self
        return replace(self, path=_free_name(stem, ".png"))


TO_A_FREE_NAME = Output()


def stylize(
    content: Annotated[Path | None, Parameter(show_default=False)] = None,
    styles: Annotated[list[Path] | None, Parameter(show_default=False, negative=())] = None,
    *,
    options: Options = UNCHANGED,
    output: Output = TO_A_FREE_NAME,
) -> int:
    """Paint CONTENT in the style of one or more STYLES.

    Options that are not given come from the preset (`impasto presets`).

        impasto stylize photo.jpg painting.jpg
        impasto stylize photo.jpg painting.jpg -o out.png --size 1024 --style-weight 3
        impasto stylize photo.jpg wave.jpg night.jpg --style-weights 0.7,0.3
        impasto stylize --recipe out.png --seed 1

    Parameters
    ----------
    content
        The picture whose content is kept.
    styles
        The pictures whose style is taken.
    """
    settings = options.build_recipe()
    content, styles = pictures(settings, content, styles or [])
    return begin(
        settings,
        content,
        styles,
        options=options,
        output=output.named(f"{content.stem}-{styles[0].stem}"),
    )


def begin(settings: Recipe, content: Path, styles: list[Path], *, options: Options, output: Output) -> int:
    """Paint a recipe's picture into a file, a run's folder, or both. The exit code."""
    every, memory = parse_save_every(output.save_every), options.memory_bytes
    if output.tensorboard and output.run is None:
        raise ParameterError("--tensorboard: expected together with --run, the folder that it writes into")

    # From here on torch is needed, which takes a second to load: everything cheap has been judged.
    from impasto import images
    from impasto.apps.cli.progress import reporter
    from impasto.runs.folder import RunFolder
    from impasto.runs.readers import check_new
    from impasto.runs.recording import Recording
    from impasto.runs.tensorboard import require
    from impasto.transfer.session import Session

    if output.path is not None:
        images.check_output(output.path, bits=output.bits)
    if output.tensorboard:
        require()
    if output.run is not None:
        check_new(output.run)
        # The folder shall be good from wherever it is opened.
        content, styles = content.resolve(), [style.resolve() for style in styles]
        settings = settings.absolute()
    with reporter(quiet=output.quiet or output.as_json) as report, ExitStack() as held:
        session = Session(
            settings,
            content,
            styles,
            asked=options.asked(),
            max_pixels=options.max_pixels,
            memory=memory,
            progress=None if output.as_json else report.download,
        )
        recording = None
        if output.run is not None:
            folder = held.enter_context(RunFolder(output.run))
            recording = Recording(session, folder, save_every=every, tensorboard=output.tensorboard)
        return paint(
            session,
            report,
            recording,
            output.path,
            save_every=every,
            bits=output.bits,
            as_json=output.as_json,
        )


def paint(
    session: Session,
    report: Reporter,
    recording: Recording | None,
    output: Path | None,
    *,
    save_every: SaveEvery = 0,
    bits: Literal[8, 16] = 8,
    as_json: bool = False,
) -> int:
    """Paint a session to its end or to Ctrl-C, into a run's folder, a file, or both. The exit code."""
    from impasto.runs.recording import failing

    session.load()
    report.begin(session)
    result, path = None, output
    with failing(recording):
        last, notes, interrupted = _iterate(
            session if recording is None else recording, report, session, output, save_every, bits
        )
        if recording is not None and recording.last is not last and recording.last is not None:
            last = recording.last  # Ctrl-C came while it was written down
            notes += last.notes
        if last is None:
            raise KeyboardInterrupt
        with _undisturbed():
            result = session.result(last, notes=notes)
            if recording is not None:
                path = recording.finish(result, bits=bits)
            if output is not None:
                path = result.save(output, bits=bits)
    assert path is not None
    for note in [] if as_json or recording is None else recording.notes:
        sys.stderr.write(f"note: {note}\n")
    _say_done(result, session, path, as_json=as_json)
    if not interrupted:
        return 0
    here, left = shlex.quote(str(path)), max(1, last.planned - last.done)
    again = f"stylize --recipe {here} --init {here} --steps {left}"
    if recording is not None:
        again = f"resume {shlex.quote(str(recording.folder.path))}"
    sys.stderr.write(
        f"impasto: interrupted after {result.steps} iterations; {path} is the picture so far, "
        f"go on with: impasto {again}\n"
    )
    return 1


def _iterate(
    steps: Iterable[Step],
    report: Reporter,
    session: Session,
    output: Path | None,
    save_every: SaveEvery,
    bits: Literal[8, 16],
) -> tuple[Step | None, list[str], bool]:
    """The last step, what was noted on the way, and whether Ctrl-C came before the end."""
    from impasto import images
    from impasto.runs.recording import is_save_step

    last: Step | None = None
    notes: list[str] = []
    with interruptible():
        try:
            for last in steps:
                notes += last.notes
                report.step(last)
                if output is not None and is_save_step(last.done, save_every):
                    path = output.with_name(f"{output.stem}-{last.done:04d}{output.suffix}")
                    images.write(path, last.image, bits=bits, metadata=session.recipe.to_toml())
        except KeyboardInterrupt:
            return last, notes, True
    return last, notes, False


def parse_save_every(text: str) -> SaveEvery:
    """What `--save-every` says."""
    if text == "log":
        return "log"
    try:
        if (every := int(text)) >= 0:
            return every
    except ValueError:
        pass
    raise ParameterError(f"--save-every: expected a whole number, 0 or more, or log, got {text!r}")


def recipe(picture: Path, /) -> int:
    """Print the recipe inside a picture that impasto painted.

    It can be edited, and painted with --recipe.

        impasto recipe out.png > mine.toml
        impasto stylize other.jpg painting.jpg --recipe mine.toml

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
def interruptible() -> Iterator[None]:
    """A polite kill saves the picture so far, as Ctrl-C does."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    with handling({signal.SIGTERM: interrupt}):
        yield


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C, out of impatience, does not lose what the first one saves."""

    def ignore(number: int, frame: object) -> None:
        sys.stderr.write("impasto: saving the picture, one moment\n")

    with handling({signal.SIGINT: ignore, signal.SIGTERM: ignore}):
        yield


@contextmanager
def handling(handlers: Mapping[int, Callable[[int, Any], None]]) -> Iterator[None]:
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
