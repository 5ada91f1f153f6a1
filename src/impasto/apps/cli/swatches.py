"""Style pictures that impasto paints itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.apps.cli.options import whole
from impasto.apps.cli.output import say, writing_to


def swatches(
    names: Annotated[list[str] | None, Parameter(show_default=False, negative=())] = None,
    *,
    output: Annotated[Path, Parameter(alias="-o")] = Path("swatches"),
    size: Annotated[int, Parameter(converter=whole)] = 512,
    seed: Annotated[int, Parameter(converter=whole)] = 0,
) -> int:
    """Paint style pictures out of nothing: brush strokes, stained glass, woodblock waves and more.

    Without a name all of them are painted.

        impasto swatches
        impasto swatches waves glass --size 1024 --seed 1 -o styles

    Parameters
    ----------
    names
        Which ones; all when none is named.
    output
        The folder they go to.
    size
        Side in pixels.
    seed
        Another seed, other pictures of the same kind.
    """
    import PIL.Image

    from impasto.errors import unknown_name
    from impasto.swatches import SWATCHES, paint

    for name in names or ():
        if name not in SWATCHES:
            raise unknown_name("swatch", name, SWATCHES)
    for name in names or SWATCHES:
        picture = PIL.Image.fromarray(paint(name, size=size, seed=seed))
        with writing_to(output):
            picture.save(output / f"{name}.png")
        say(str(output / f"{name}.png"))
    return 0
