"""`impasto stylize`, and `impasto recipe`, which prints what `stylize` wrote into a picture."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter, Token

from impasto.errors import ParameterError
from impasto.runs.recipe import Device, EncoderName, Optimizer, Precision, Quality, StyleLossName

if TYPE_CHECKING:
    from impasto.engine.stylize import Step
    from impasto.runs.execute import Result, Session
    from impasto.runs.recipe import Recipe


def whole(kind: object, tokens: Sequence[Token]) -> int:
    """Converts what must be a whole number; cyclopts by itself rounds 1.5 to 2."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"expected a whole number, got {tokens[0].value!r}") from None


_OBJECTIVE = Group("What is painted", sort_key=1)
_SIZE = Group("Sizes and start", sort_key=2)
_SOLVER = Group("How it is painted", sort_key=3)
_NETWORK = Group("Network", sort_key=4)
_OUTPUT = Group("Output", sort_key=5)


def stylize(
    content: Annotated[Path | None, Parameter(show_default=False)] = None,
    styles: Annotated[list[Path] | None, Parameter(show_default=False, negative=())] = None,
    *,
    output: Annotated[Path | None, Parameter(alias="-o", group=_OUTPUT)] = None,
    preset: Annotated[str | None, Parameter(group=_OBJECTIVE)] = None,
    content_weight: Annotated[float | None, Parameter(group=_OBJECTIVE)] = None,
    style_weight: Annotated[float | None, Parameter(group=_OBJECTIVE)] = None,
    tv_weight: Annotated[float | None, Parameter(group=_OBJECTIVE)] = None,
    style_weights: Annotated[str | None, Parameter(group=_OBJECTIVE)] = None,
    style_loss: Annotated[StyleLossName | None, Parameter(group=_OBJECTIVE)] = None,
    content_layers: Annotated[str | None, Parameter(group=_OBJECTIVE)] = None,
    style_layers: Annotated[str | None, Parameter(group=_OBJECTIVE)] = None,
    size: Annotated[int | None, Parameter(converter=whole, group=_SIZE)] = None,
    style_size: Annotated[int | None, Parameter(converter=whole, group=_SIZE)] = None,
    style_scale: Annotated[float | None, Parameter(group=_SIZE)] = None,
    init: Annotated[str | None, Parameter(group=_SIZE)] = None,
    quality: Annotated[Quality | None, Parameter(group=_SOLVER)] = None,
    steps: Annotated[int | None, Parameter(converter=whole, group=_SOLVER)] = None,
    optimizer: Annotated[Optimizer | None, Parameter(group=_SOLVER)] = None,
    learning_rate: Annotated[float | None, Parameter(group=_SOLVER)] = None,
    seed: Annotated[int | None, Parameter(converter=whole, group=_SOLVER)] = None,
    faithful: Annotated[bool | None, Parameter(group=_SOLVER, negative=())] = None,
    device: Annotated[Device | None, Parameter(group=_SOLVER)] = None,
    precision: Annotated[Precision | None, Parameter(group=_SOLVER)] = None,
    tile: Annotated[int | None, Parameter(converter=whole, group=_SOLVER)] = None,
    memory: Annotated[str | None, Parameter(group=_SOLVER)] = None,
    encoder: Annotated[EncoderName | None, Parameter(group=_NETWORK)] = None,
    weights: Annotated[str | None, Parameter(group=_NETWORK)] = None,
    pooling: Annotated[Literal["max", "average", "l2"] | None, Parameter(group=_NETWORK)] = None,
    padding: Annotated[Literal["zero", "replicate"] | None, Parameter(group=_NETWORK)] = None,
    recipe: Annotated[Path | None, Parameter(group=_SOLVER)] = None,
    save_every: Annotated[int, Parameter(converter=whole, group=_OUTPUT)] = 0,
    bits: Annotated[Literal[8, 16], Parameter(group=_OUTPUT)] = 8,
    max_pixels: Annotated[int, Parameter(converter=whole, group=_OUTPUT)] = 100_000_000,
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
    preset
        What is minimised; `impasto presets` lists them. The default is impasto.
    content_weight
        How much the content counts (alpha).
    style_weight
        How much the style counts (beta).
    tv_weight
        How much smoothness counts (total variation).
    style_weights
        Shares of several styles, such as 0.7,0.3.
    style_loss
        How two styles are compared.
    content_layers
        Layers to compare the content at, such as relu4_2 or relu3_2=0.5,relu4_2.
    style_layers
        Layers to compare the style at, such as relu1_1=0.5,relu2_1. `impasto encoders` lists them.
    size
        Long side of the result in pixels; 0 keeps the content's size.
    style_size
        Long side of the style pictures in pixels; 0 keeps theirs. Without it they follow the result's size.
    style_scale
        Makes the style's strokes larger (2) or smaller (0.5).
    init
        The first image: content, style, noise, or a file to go on from, at the result's size alone.
    quality
        standard, or draft: a first look in a quarter of the time.
    steps
        Iterations, over all sizes.
    optimizer
        lbfgs, lbfgs-wolfe (with a line search) or adam.
    learning_rate
        Step length of the optimiser.
    seed
        Makes runs repeatable; another seed, another noise.
    faithful
        Follow the preset's tool to the letter: its size, start, optimiser and iterations.
    device
        Where to compute; auto takes a GPU if there is one.
    precision
        Number type of the network.
    tile
        Side of the tiles that larger pictures are computed in, in pixels: smaller takes less memory and more time,
        the picture is the same. 0 cuts nothing.
    memory
        The most that may be used, such as 4GB; without it what the machine has free. `impasto plan` says what a
        picture takes.
    encoder
        The network.
    weights
        Its weights: a name (`impasto encoders`), a file or a URL.
    pooling
        How the network shrinks its feature maps.
    padding
        What the network sees beyond the edge.
    recipe
        Repeat a picture: a picture painted by impasto, or a .toml file. Options given beside it change it.
    save_every
        Also save the picture so far every N iterations, as OUT-000N.png.
    bits
        Bits per channel; 16 for PNG and TIFF.
    max_pixels
        Refuse larger pictures.
    as_json
        Print one JSON object at the end, and nothing else.
    quiet
        No progress.
    """
    given = {
        "preset": preset,
        "content_weight": content_weight,
        "style_weight": style_weight,
        "tv_weight": tv_weight,
        "style_loss": style_loss,
        "size": size,
        "style_size": style_size,
        "style_scale": style_scale,
        "init": init,
        "quality": quality,
        "steps": steps,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "seed": seed,
        "faithful": faithful,
        "device": device,
        "precision": precision,
        "tile": tile,
        "encoder": encoder,
        "weights": weights,
        "pooling": pooling,
        "padding": padding,
        **_lists(style_weights, content_layers, style_layers),
    }
    if save_every < 0:
        raise ParameterError(f"--save-every: expected 0 or more, got {save_every}")
    if max_pixels < 1:
        raise ParameterError(f"--max-pixels: expected 1 or more, got {max_pixels}")
    settings = build_recipe(recipe, given)
    content, styles = pictures(settings, content, styles or [])
    target = output or _free_name(f"{content.stem}-{styles[0].stem}", ".png")

    # From here on torch is needed, which takes a second to load: everything cheap has been judged.
    from impasto import images
    from impasto.apps.cli.progress import reporter
    from impasto.runs.execute import Session
    from impasto.runs.plan import parse_memory

    images.check_output(target, bits=bits)
    with reporter(quiet=quiet or as_json) as report:
        session = Session(
            settings,
            content,
            styles,
            max_pixels=max_pixels,
            memory=None if memory is None else parse_memory(memory),
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


def build_recipe(file: Path | None, given: Mapping[str, Any]) -> Recipe:
    """The recipe of a file (a .toml, or a picture with a recipe inside) or of a preset, with what was given."""
    from impasto.runs.presets import resolve
    from impasto.runs.recipe import read_toml

    values = {name: value for name, value in given.items() if value is not None}
    if file is None:
        return resolve(**values)
    if {"preset", "faithful", "quality"} & values.keys():
        raise ParameterError(
            "--preset, --faithful, --quality: not together with --recipe, which says what they would"
        )
    if file.suffix.lower() == ".toml":
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ParameterError(f"--recipe: cannot read {file}: {error}") from None
    else:
        from impasto import images

        text = images.read_metadata(file)
    return resolve(**{**read_toml(text, name=file.name), **values})


def _lists(style_weights: str | None, content_layers: str | None, style_layers: str | None) -> dict[str, Any]:
    from impasto.runs.recipe import parse_layers, parse_weights

    lists: dict[str, Any] = {}
    if style_weights is not None:
        lists["style_weights"] = parse_weights(style_weights, option="--style-weights")
    if content_layers is not None:
        lists["content_layers"] = parse_layers(content_layers, option="--content-layers")
    if style_layers is not None:
        lists["style_layers"] = parse_layers(style_layers, option="--style-layers")
    return lists


def pictures(settings: Recipe, content: Path | None, styles: list[Path]) -> tuple[Path, list[Path]]:
    """The pictures given, or else those that the recipe names."""
    if content is None and settings.content is not None:
        content = Path(settings.content.path)
    styles = styles or [Path(style.path) for style in settings.styles]
    if content is None:
        raise ParameterError("CONTENT: expected the picture to paint, got none")
    if not styles:
        raise ParameterError("STYLE: expected at least one picture whose style to take, got none")
    if settings.style_weights and len(settings.style_weights) != len(styles):
        raise ParameterError(
            f"--style-weights: expected one for each of {len(styles)} styles, got {len(settings.style_weights)}"
        )
    return content, styles


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
