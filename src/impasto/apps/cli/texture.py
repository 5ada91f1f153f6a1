"""`impasto texture`: a style without a content."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from impasto.apps.cli.options import UNCHANGED, Options
from impasto.apps.cli.stylize import begin, free_name
from impasto.errors import ParameterError

_OUTPUT = Group("Output", sort_key=6)


def texture(
    styles: Annotated[list[Path], Parameter(negative=())],
    *,
    aspect: float = 1.0,
    options: Options = UNCHANGED,
    output: Annotated[Path | None, Parameter(alias="-o", group=_OUTPUT)] = None,
    run: Annotated[Path | None, Parameter(group=_OUTPUT)] = None,
    save_every: Annotated[str, Parameter(group=_OUTPUT)] = "0",
    tensorboard: Annotated[bool, Parameter(group=_OUTPUT, negative=())] = False,
    bits: Annotated[Literal[8, 16], Parameter(group=_OUTPUT)] = 8,
    as_json: Annotated[bool, Parameter(name="--json", group=_OUTPUT, negative=())] = False,
    quiet: Annotated[bool, Parameter(alias="-q", group=_OUTPUT, negative=())] = False,
) -> int:
    """Paint a texture in the style of one or more STYLES: no content, from noise.

    The style keeps its size, so strokes are as large as in it; --style-size and --style-scale change that.

        impasto texture painting.jpg --size 1024 --seamless
        impasto texture bark.jpg moss.jpg --style-weights 0.7,0.3 --aspect 2 --seed 1

    Parameters
    ----------
    styles
        The pictures whose style is taken.
    aspect
        Width / height.
    output
        Where the result goes: .png, .jpg, .webp or .tiff. Without it texture-STYLE.png in this folder, numbered when
        that exists.
    run
        Keep everything about this picture in a folder; `impasto resume` goes on with it.
    save_every
        Also save the picture so far every N iterations, or, with log, ever more rarely.
    tensorboard
        Also write for TensorBoard into the run's folder.
    bits
        Bits per channel; 16 for PNG and TIFF.
    as_json
        Print one JSON object at the end, and nothing else.
    quiet
        No progress.
    """
    if not 0.01 < aspect < 100.0:
        raise ParameterError(f"--aspect: expected a number between 0.01 and 100, got {aspect:g}")
    if options.recipe is not None:
        raise ParameterError("--recipe: a texture's recipe is repeated by impasto stylize --recipe")
    from impasto import images
    from impasto.runs.texture import settings

    size = 512 if options.size is None else options.size
    if size == 0:
        raise ParameterError("--size: expected the texture's long side in pixels, got 0")
    height, width = images.read(styles[0], max_pixels=options.max_pixels).pixels.shape[-2:]
    given = settings((width, height), size, seamless=bool(options.seamless), aspect=aspect)
    recipe = options.build_recipe(
        {name: value for name, value in given.items() if name not in options.given()}
    )
    if output is None and run is None:
        output = free_name(f"texture-{styles[0].stem}", ".png")
    return begin(
        recipe,
        styles[0],
        styles,
        options=options,
        output=output,
        run=run,
        save_every=save_every,
        tensorboard=tensorboard,
        bits=bits,
        as_json=as_json,
        quiet=quiet,
    )
