"""Pictures from what a layer knows of one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from impasto.apps.cli.options import NETWORK_UNCHANGED, NetworkOptions, whole
from impasto.apps.cli.output import writing_to
from impasto.apps.cli.table import table

if TYPE_CHECKING:
    from impasto.engine.step import Step
    from impasto.inspection.reconstruct import Reconstruction
from impasto.apps.cli.output import check_picture, say_json, write_picture
from impasto.recipes.parsing import parse_names


def reconstruct(
    what: Literal["content", "style"],
    image: Path,
    /,
    *,
    layers: str | None = None,
    options: NetworkOptions = NETWORK_UNCHANGED,
    output: Annotated[Path | None, Parameter(alias="-o")] = None,
    pictures: Path | None = None,
    size: Annotated[int, Parameter(converter=whole)] = 256,
    steps: Annotated[int | None, Parameter(converter=whole)] = None,
    seed: Annotated[int, Parameter(converter=whole)] = 0,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
    quiet: Annotated[bool, Parameter(alias="-q", negative=())] = False,
) -> int:
    """Paint what layers still know of IMAGE, from noise: its content at each layer, or its style up to each.

    What is right in such a picture, the layers know; what is wrong, they have forgotten.

        impasto reconstruct content photo.jpg -o sheet.png
        impasto reconstruct style painting.jpg --layers relu1_1,relu2_1,relu3_1 -o sheet.png
        impasto reconstruct content photo.jpg --layers relu4_2 --pictures layers --json

    Parameters
    ----------
    what
        content: a picture with the same features, for each layer. style: a picture with the same Gram matrices, of
        the first layer, of the first two, and so on.
    image
        The picture.
    layers
        Where, such as relu1_2,relu4_2; without it where figure 1 of Gatys et al. 2015 has them.
    output
        Where the sheet goes: the original and all that was painted, side by side. Without it IMAGE-content.png or
        IMAGE-style.png in this folder.
    pictures
        Also write each picture by itself into this folder.
    size
        Long side of the pictures in pixels; 0 keeps the image's.
    steps
        Iterations for each picture.
    seed
        Another seed, another noise to start from.
    as_json
        Print one JSON list: an object for each picture, with its losses by layer. 1 is as far off as features of 0.
    quiet
        No progress.
    """
    where = None if layers is None else list(parse_names(layers, option="--layers"))
    if output is None:
        output = Path(f"{image.stem}-{what}.png")
    check_picture(output)
    network = options.network()

    from impasto import images
    from impasto.apps.cli.progress import reporter
    from impasto.inspection.reconstruct import LAYERS, STEPS, sheet
    from impasto.inspection.reconstruct import reconstruct as begin

    names, each = where or LAYERS[what], STEPS if steps is None else steps
    with reporter(quiet=quiet or as_json) as report:

        def tell(number: int, step: Step) -> None:
            report.count(f"{what} {names[number]}", number * each + step.done, len(names) * each)

        making = begin(
            what,
            image,
            names,
            size=size,
            steps=each,
            seed=seed,
            on_step=tell,
            progress=None if as_json else report.download,
            **network,
        )
        made: list[Reconstruction] = []
        try:
            for one in making:
                made.append(one)
                if pictures is not None:
                    with writing_to(pictures):
                        images.write(pictures / f"{what}-{one.layers[-1]}.png", one.image)
        except KeyboardInterrupt:
            if not made:
                raise
    write_picture(output, sheet(image, made, title=f"{what} of {image.name}", max_pixels=options.max_pixels))
    if as_json:
        say_json(
            {
                "layers": one.layers,
                "losses": dict(one.losses),
                "steps": one.steps,
                "seconds": round(one.seconds, 3),
            }
            for one in made
        )
    else:
        table(
            ("", "off by", "iterations", "seconds"),
            [(one.name, f"{one.loss:.3%}", one.steps, f"{one.seconds:.0f}") for one in made],
            numbers_from=1,
        )
        sys.stdout.write(f"{output}\n")
    if len(made) == len(names):
        return 0
    sys.stderr.write(f"impasto: interrupted; {output} has the {len(made)} of {len(names)} that were done\n")
    return 1
