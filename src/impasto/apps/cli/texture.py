"""`impasto texture`: a texture in a style, without a content picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.apps.cli.inputs import check_pictures
from impasto.apps.cli.options import DEFAULT_TEXTURE_OPTIONS, TextureOptions
from impasto.apps.cli.output import DEFAULT_OUTPUT, Output, default_stem
from impasto.apps.cli.painting import Given, paint_recipe
from impasto.errors import ParameterError


def texture(
    styles: Annotated[list[Path], Parameter(negative=())],
    *,
    aspect: float = 1.0,
    options: TextureOptions = DEFAULT_TEXTURE_OPTIONS,
    output: Output = DEFAULT_OUTPUT,
) -> int:
    """Paint a texture in the style of one or more STYLES, from noise.

    There is no content picture. The style pictures keep their sizes, and so do their strokes; --style-size and
    --style-scale change this.

        impasto texture painting.jpg --size 1024 --seamless
        impasto texture bark.jpg moss.jpg --style-weights 0.7,0.3 --aspect 2 --seed 1

    Parameters
    ----------
    styles
        The style pictures.
    aspect
        Width divided by height.
    """
    if not 0.01 < aspect < 100.0:
        raise ParameterError(f"--aspect: expected a number between 0.01 and 100, got {aspect:g}")
    check_pictures(styles)

    # Importing torch takes a second; all cheap checks come before it.
    from impasto import images
    from impasto.transfer.texture import settings

    size = 512 if options.size is None else options.size
    if size == 0:
        raise ParameterError("--size: expected the texture's long side in pixels, got 0")
    height, width = images.read(styles[0], max_pixels=options.max_pixels).pixels.shape[-2:]
    given = settings((width, height), size, seamless=bool(options.seamless), aspect=aspect)
    recipe = options.build_recipe(
        {name: value for name, value in given.items() if name not in options.given()}
    )
    stem = f"texture-{default_stem(styles[0])}"
    return paint_recipe(Given(recipe, styles[0], styles, stem), options=options, output=output)
