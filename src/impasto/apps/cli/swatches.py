"""`impasto swatches`: generated style pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.apps.cli.output import write_line, writing_to
from impasto.apps.cli.parameters import Force, WholeNumber


def swatches(
    names: Annotated[list[str] | None, Parameter(show_default=False, negative=())] = None,
    *,
    output: Annotated[Path, Parameter(alias="-o")] = Path("swatches"),
    size: WholeNumber = 512,
    seed: WholeNumber = 0,
    force: Force = False,
) -> int:
    """Generate style pictures.

    There are brush strokes, stained glass, woodblock waves and more. Without a name all of them are generated.

        impasto swatches
        impasto swatches waves glass --size 1024 --seed 1 -o styles

    Parameters
    ----------
    names
        The names of the swatches; all by default.
    output
        The folder to write to.
    size
        Side in pixels.
    seed
        Random seed; each seed gives other compositions.
    """
    import PIL.Image

    from impasto.errors import unknown_name
    from impasto.files import check_replaceable, replacing
    from impasto.swatches import SWATCHES, paint

    for name in names or ():
        if name not in SWATCHES:
            raise unknown_name("swatch", name, SWATCHES)
    files = {name: output / f"{name}.png" for name in names or SWATCHES}
    for path in files.values():
        check_replaceable(path, force=force)
    for name, path in files.items():
        picture = PIL.Image.fromarray(paint(name, size=size, seed=seed))
        with writing_to(output), replacing(path) as file:
            picture.save(file, "PNG")
        write_line(str(path))
    return 0
