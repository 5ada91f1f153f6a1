"""`impasto features` and `impasto reconstruct`: what the network sees in a picture, and what it still knows of it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from impasto.apps.cli.look import writing_to
from impasto.apps.cli.options import NetworkOptions, whole
from impasto.apps.cli.table import table

if TYPE_CHECKING:
    import PIL.Image
    from torch import Tensor

    from impasto.engine.optimize import Step
    from impasto.inspection.reconstruct import Reconstruction

_NETWORK = NetworkOptions()


def features(
    image: Path,
    /,
    *,
    layers: Annotated[str, Parameter(alias="--layer")],
    options: NetworkOptions = _NETWORK,
    output: Annotated[Path | None, Parameter(alias="-o")] = None,
    size: Annotated[int, Parameter(converter=whole)] = 512,
    channels: Annotated[int, Parameter(converter=whole)] = 64,
    gram: Annotated[bool, Parameter(negative=())] = False,
    compare: Path | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
    quiet: Annotated[bool, Parameter(alias="-q", negative=())] = False,
) -> int:
    """Show what the network sees in IMAGE: its feature maps, strongest first, or its Gram matrices.

    Under each map stand the channel's number and its largest value; each has a scale of its own.

        impasto features photo.jpg --layer relu2_1 -o maps.png
        impasto features photo.jpg --layer relu4_1 --gram -o gram.png
        impasto features photo.jpg --layers relu1_1,relu3_1,relu5_1 --compare painting.jpg -o grams.png
        impasto features photo.jpg --layer relu3_1 --json

    Parameters
    ----------
    image
        The picture.
    layers
        Where to look, such as relu2_1 or relu1_1,relu3_1. `impasto encoders` lists them.
    output
        Where the picture goes. Without it only the numbers are said.
    size
        Long side in pixels at which the network is shown the picture; 0 keeps its own.
    channels
        How many feature maps to show.
    gram
        Show the Gram matrix: how strongly channels occur together, in an order that puts those side by side that do.
    compare
        Show another picture's Gram matrix as well, and the difference; say how far apart they are.
    as_json
        Print one JSON list: an object for each layer, with mean, largest value and share of zeros of each channel,
        or the distances.
    quiet
        No progress.
    """
    where = _parse(layers)
    if output is not None:
        _check(output)
    network = options.network()

    from impasto.apps.cli.progress import reporter
    from impasto.inspection.feature_extractor import FeatureExtractor
    from impasto.inspection.feature_maps import check_count, feature_sheet
    from impasto.inspection.gram import gram_sheet

    with reporter(quiet=quiet or as_json) as report:
        viewer = FeatureExtractor(where, progress=None if as_json else report.download, **network)
        check_count(channels)
        shown = [(path.name, viewer.read(path, size)) for path in (image, compare) if path is not None]
        found: list[tuple[str, dict[str, Tensor]]] = []
        for done, (name, picture) in enumerate(shown):
            report.count(f"looking at {name}", done, len(shown))
            found.append((name, viewer.features(picture)))
    if not as_json:
        for note in viewer.notes:
            sys.stderr.write(f"note: {note}\n")
    if output is not None:
        if gram or compare is not None:
            _write(output, gram_sheet(where, found))
        else:
            _write(output, feature_sheet(where, *found[0], count=channels))
    if compare is None:
        _say_channels(where, found[0][1], as_json=as_json)
    else:
        _say_distances(where, found, as_json=as_json)
    return 0


def reconstruct(
    what: Literal["content", "style"],
    image: Path,
    /,
    *,
    layers: str | None = None,
    options: NetworkOptions = _NETWORK,
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
    where = None if layers is None else _parse(layers)
    if output is None:
        output = Path(f"{image.stem}-{what}.png")
    _check(output)
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
    _write(output, sheet(image, made, title=f"{what} of {image.name}", max_pixels=options.max_pixels))
    if as_json:
        _say_json(
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


def _parse(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def _say_channels(layers: list[str], found: dict[str, Tensor], *, as_json: bool) -> None:
    """Each layer's channels in numbers: all of them as JSON, in short as a table."""
    from impasto.inspection.feature_maps import channels

    by_layer = {layer: channels(found[layer]) for layer in layers}
    if as_json:
        _say_json(
            {
                "layer": layer,
                "size": [found[layer].shape[2], found[layer].shape[1]],
                "channels": [asdict(channel) for channel in by_layer[layer]],
            }
            for layer in layers
        )
        return
    rows = []
    for layer, all_ in by_layer.items():
        _, height, width = found[layer].shape
        rows.append(
            (
                layer,
                f"{width}x{height}",
                len(all_),
                f"{sum(channel.mean for channel in all_) / len(all_):.4g}",
                f"{max(channel.maximum for channel in all_):.4g}",
                f"{sum(channel.zeros for channel in all_) / len(all_):.1%}",
                sum(channel.zeros == 1.0 for channel in all_),
                " ".join(str(channel.number) for channel in all_[:6]),
            )
        )
    table(
        ("layer", "maps", "channels", "mean", "max", "zeros", "all zero", "strongest"), rows, numbers_from=1
    )


def _say_distances(layers: list[str], found: list[tuple[str, dict[str, Tensor]]], *, as_json: bool) -> None:
    """How far apart two pictures' Gram matrices are."""
    from impasto.inspection.gram import gram_distance

    (_, one), (_, other) = found
    distances = [gram_distance(layer, one[layer], other[layer]) for layer in layers]
    if as_json:
        _say_json(asdict(each) for each in distances)
        return
    table(
        ("layer", "mean (G - A)^2", "share"),
        [(each.layer, f"{each.mean:.4g}", f"{each.share:.2%}") for each in distances],
        numbers_from=1,
    )


def _say_json(objects: Any) -> None:
    sys.stdout.write(json.dumps(list(objects)) + "\n")


def _check(output: Path) -> None:
    from impasto.images import check_output

    check_output(output)


def _write(output: Path, picture: PIL.Image.Image) -> None:
    from impasto import images

    images.write(output, images.read(picture).pixels)
