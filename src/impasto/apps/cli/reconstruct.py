"""`impasto reconstruct`: pictures with the features that a layer computes from a given picture."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from impasto.apps.cli.inputs import check_pictures
from impasto.apps.cli.interrupts import exit_code
from impasto.apps.cli.options import DEFAULT_NETWORK_OPTIONS, NetworkOptions
from impasto.apps.cli.output import check_picture, claimed, write_json_list, write_picture, writing_to
from impasto.apps.cli.parameters import Force, Json, OutputFile, Quiet, WholeNumber, whole_number
from impasto.apps.cli.table import table
from impasto.files import check_replaceable

if TYPE_CHECKING:
    from impasto.engine.step import Step
    from impasto.inspection.reconstruct import Reconstruction
from cyclopts import Parameter

from impasto.recipes.parsing import parse_names


def reconstruct(
    what: Literal["content", "style"],
    image: Path,
    /,
    *,
    layers: str | None = None,
    options: NetworkOptions = DEFAULT_NETWORK_OPTIONS,
    output: OutputFile = None,
    pictures: Path | None = None,
    size: WholeNumber = 256,
    steps: Annotated[int | None, Parameter(converter=whole_number)] = None,
    seed: WholeNumber = 0,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Reconstruct IMAGE from noise: its content or its style.

    The content is reconstructed from each layer, the style from all layers up to each.
    A layer's features contain the details that such a picture reproduces, and have lost the others.

        impasto reconstruct content photo.jpg -o sheet.png
        impasto reconstruct style painting.jpg --layers relu1_1,relu2_1,relu3_1 -o sheet.png
        impasto reconstruct content photo.jpg --layers relu4_2 --pictures layers --json

    Parameters
    ----------
    what
        content: a picture with the same features, for each layer. style: with the same Gram matrices, up to each.
    image
        The picture.
    layers
        Layers, such as relu1_2,relu4_2. The default is those of figure 1 of Gatys et al. 2015.
    output
        File of the contact sheet. The default is IMAGE-content.png or IMAGE-style.png in this folder.
    pictures
        Also write each picture into this folder.
    size
        Long side of the pictures in pixels; 0 keeps the image's.
    steps
        Iterations for each picture.
    seed
        Random seed of the noise to start from.
    as_json
        Print one JSON list: an object for each picture, with its losses by layer. Features of 0 have a loss of 1.
    """
    chosen = None if layers is None else list(parse_names(layers, option="--layers"))
    check_pictures((image,))
    if output is not None:
        check_picture(output)
    network = options.network()

    from impasto.inspection.reconstruct import LAYERS, STEPS, sheet

    names = chosen or LAYERS[what]
    given = {**network, "size": size, "steps": STEPS if steps is None else steps, "seed": seed}
    stem = f"{image.stem}-{what}"
    with claimed(output, stem=stem, suffix=".png", inputs=[image], force=force) as path:
        for name in names if pictures else ():
            check_replaceable(_file_of(pictures, what, name), inputs=[image], force=force)
        made, stopped = _optimize(what, image, names, given, pictures, as_json=as_json, quiet=quiet)
        title = f"{what} of {image.name}"
        write_picture(path, sheet(image, made, title=title, max_pixels=options.max_pixels))
    _write_summary(made, path, as_json=as_json)
    if stopped is None:
        return 0
    sys.stderr.write(f"impasto: interrupted; {path} has {len(made)} of {len(names)} reconstructions\n")
    return exit_code(stopped)


def _file_of(folder: Path | None, what: str, layer: str) -> Path:
    return (folder or Path()) / f"{what}-{layer}.png"


def _optimize(
    what: Literal["content", "style"],
    image: Path,
    layers: Sequence[str],
    given: dict[str, Any],
    folder: Path | None,
    *,
    as_json: bool,
    quiet: bool,
) -> tuple[list[Reconstruction], KeyboardInterrupt | None]:
    """The reconstructions, fewer than ``layers`` after a stop, and the stop; each is also written into ``folder``."""
    from impasto import images
    from impasto.apps.cli.progress import reporter
    from impasto.inspection import reconstruct

    steps = given["steps"]
    made: list[Reconstruction] = []
    with reporter(quiet=quiet or as_json) as report:

        def count(number: int, step: Step) -> None:
            report.count(f"{what} {layers[number]}", number * steps + step.done, len(layers) * steps)

        progress = None if as_json else report.download
        try:
            for one in reconstruct.reconstruct(
                what, image, layers, on_step=count, progress=progress, **given
            ):
                made.append(one)
                if folder is not None:
                    with writing_to(folder):
                        images.write(_file_of(folder, what, one.layers[-1]), one.image)
        except KeyboardInterrupt as stopped:
            if not made:
                raise
            return made, stopped
    return made, None


def _write_summary(made: list[Reconstruction], output: Path, *, as_json: bool) -> None:
    if as_json:
        write_json_list(
            {
                "layers": one.layers,
                "losses": dict(one.losses),
                "steps": one.steps,
                "seconds": round(one.seconds, 3),
            }
            for one in made
        )
        return
    table(
        ("", "off by", "iterations", "seconds"),
        [(one.name, f"{one.loss:.3%}", one.steps, f"{one.seconds:.0f}") for one in made],
        numbers_from=1,
    )
    sys.stdout.write(f"{output}\n")
