"""Feature maps and Gram matrices, as pictures and in numbers."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from impasto.apps.cli.options import NETWORK_UNCHANGED, NetworkOptions, whole
from impasto.apps.cli.table import table
from impasto.recipes.parsing import parse_names

if TYPE_CHECKING:
    from torch import Tensor

from impasto.apps.cli.output import check_picture, say_json, write_picture


def features(
    image: Path,
    /,
    *,
    layers: Annotated[str, Parameter(alias="--layer")],
    options: NetworkOptions = NETWORK_UNCHANGED,
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
    where = list(parse_names(layers, option="--layers"))
    if output is not None:
        check_picture(output)
    network = options.network()

    from impasto.apps.cli.progress import reporter
    from impasto.inspection.feature_extractor import FeatureExtractor
    from impasto.inspection.feature_maps import check_count, feature_sheet
    from impasto.inspection.gram import gram_sheet

    with reporter(quiet=quiet or as_json) as report:
        extractor = FeatureExtractor(where, progress=None if as_json else report.download, **network)
        check_count(channels)
        shown = [(path.name, extractor.read(path, size)) for path in (image, compare) if path is not None]
        found: list[tuple[str, dict[str, Tensor]]] = []
        for done, (name, picture) in enumerate(shown):
            report.count(f"looking at {name}", done, len(shown))
            found.append((name, extractor.features(picture)))
    if not as_json:
        for note in extractor.notes:
            sys.stderr.write(f"note: {note}\n")
    if output is not None:
        if gram or compare is not None:
            write_picture(output, gram_sheet(where, found))
        else:
            write_picture(output, feature_sheet(where, *found[0], count=channels))
    if compare is None:
        _say_channels(where, found[0][1], as_json=as_json)
    else:
        _say_distances(where, found, as_json=as_json)
    return 0


def _say_channels(layers: list[str], found: dict[str, Tensor], *, as_json: bool) -> None:
    """Each layer's channels in numbers: all of them as JSON, in short as a table."""
    from impasto.inspection.feature_maps import channels

    by_layer = {layer: channels(found[layer]) for layer in layers}
    if as_json:
        say_json(
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
        say_json(asdict(each) for each in distances)
        return
    table(
        ("layer", "mean (G - A)^2", "share"),
        [(each.layer, f"{each.mean:.4g}", f"{each.share:.2%}") for each in distances],
        numbers_from=1,
    )
