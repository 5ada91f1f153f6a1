"""A first picture, with nothing of one's own."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.apps.cli.options import as_if_given, whole
from impasto.apps.cli.output import Output, say, writing_to
from impasto.apps.cli.painting import paint_given
from impasto.errors import MissingExtraError


def demo(
    *,
    output: Annotated[Path, Parameter(alias="-o")] = Path("impasto-demo"),
    size: Annotated[int, Parameter(converter=whole)] = 384,
    steps: Annotated[int, Parameter(converter=whole)] = 100,
    swatch: str = "strokes",
) -> int:
    """Paint a photograph of a cup of coffee in the style of a picture that impasto paints itself.

    A draft comes first, to look at; the painting goes on from it. The commands that do the same by hand are said.

        impasto demo
        impasto demo --swatch mosaic --size 512

    Parameters
    ----------
    output
        The folder for the photograph, the style, the draft and the painting.
    size
        Long side of the painting in pixels.
    steps
        Iterations after the draft.
    swatch
        The style: a name that `impasto swatches` knows.
    """
    import PIL.Image

    from impasto.recipes.presets import resolve
    from impasto.swatches import paint

    resolve(size=size, steps=steps)  # refused before anything is written

    # Found without importing scikit-image, which would load SciPy.
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise MissingExtraError("impasto demo takes its photograph from scikit-image, and", extra="demo")
    style = PIL.Image.fromarray(paint(swatch))
    with writing_to(output):
        photograph, painted_style = output / "photo.png", output / f"{swatch}.png"
        photograph.write_bytes((Path(spec.origin).parent / "data" / "coffee.png").read_bytes())
        style.save(painted_style)
    draft, painting = output / "draft.png", output / "painting.png"
    say(f"content: {photograph} (coffee.png of scikit-image, CC0, by Rachel Michetti)")
    say(f"style:   {painted_style} (painted by impasto swatches)")
    by_hand = f"impasto stylize {photograph} {painted_style} --size {size}"
    say(f"the same by hand: {by_hand} --quality draft -o {draft}")
    say(f"        and then: {by_hand} --init {draft} --steps {steps} -o {painting}")
    code = paint_given(
        photograph,
        [painted_style],
        options=as_if_given(size=size, quality="draft"),
        output=Output(path=draft),
    )
    if code:
        return code
    say(f"a first look: {draft.resolve()}")
    code = paint_given(
        photograph,
        [painted_style],
        options=as_if_given(size=size, init=str(draft), steps=steps),
        output=Output(path=painting),
    )
    say(f"look at {painting.resolve()}")
    return code
