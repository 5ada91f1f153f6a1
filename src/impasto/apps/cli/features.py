"""`impasto features`: feature maps and Gram matrices, as pictures and in numbers."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from impasto.apps.cli.inputs import check_pictures
from impasto.apps.cli.options import DEFAULT_NETWORK_OPTIONS, NetworkOptions
from impasto.apps.cli.output import (
    check_picture,
    claimed,
    write_json_list,
    write_line,
    write_picture,
)
from impasto.apps.cli.parameters import Flag, Force, Json, OutputFile, Quiet, WholeNumber
from impasto.apps.cli.table import table
from impasto.recipes.parsing import parse_names

if TYPE_CHECKING:
    from torch import Tensor

_Features = list[tuple[str, "dict[str, Tensor]"]]
"""(name of a picture, layer -> its feature maps) of each picture."""


def features(
    image: Path,
    /,
    *,
    layers: Annotated[str, Parameter(alias="--layer")],
    options: NetworkOptions = DEFAULT_NETWORK_OPTIONS,
    output: OutputFile = None,
    size: WholeNumber = 512,
    channels: WholeNumber = 64,
    gram: Flag = False,
    compare: Path | None = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Show the network's feature maps of IMAGE, or its Gram matrices.

    The strongest map comes first. The label of each map gives the channel and its maximum. Each map has its own
    scale.

        impasto features photo.jpg --layer relu2_1 -o maps.png
        impasto features photo.jpg --layer relu4_1 --gram -o gram.png
        impasto features photo.jpg --layers relu1_1,relu3_1,relu5_1 --compare painting.jpg -o grams.png
        impasto features photo.jpg --layer relu3_1 --json

    Parameters
    ----------
    image
        The picture.
    layers
        Layers, such as relu2_1 or relu1_1,relu3_1. `impasto encoders` lists them.
    output
        The picture's file. The default with --gram is IMAGE-gram.png in this folder; otherwise only numbers are
        printed.
    size
        Long side in pixels to which the picture is resized; 0 keeps its size.
    channels
        Number of feature maps to show.
    gram
        Show the Gram matrix, the inner products of channels, in an order that puts similar channels side by side.
    compare
        Also show the Gram matrix of this picture, and the difference; print the distance between the two.
    as_json
        Print one JSON list: for each layer the mean, maximum and share of zeros of each channel, or the distances.
    """
    names = list(parse_names(layers, option="--layers"))
    pictures = [path for path in (image, compare) if path is not None]
    check_pictures(pictures)
    if output is not None:
        check_picture(output)
    with ExitStack() as held:
        if output is not None or (gram and not as_json):
            place = claimed(output, stem=f"{image.stem}-gram", suffix=".png", inputs=pictures, force=force)
            output = held.enter_context(place)
        found = _extract(
            names, pictures, options.network(), size=size, count=channels, as_json=as_json, quiet=quiet
        )
        if output is not None:
            _write_sheet(output, names, found, gram=gram or compare is not None, count=channels)
    if compare is None:
        _write_channels(names, found[0][1], as_json=as_json)
    else:
        _write_distances(names, found, as_json=as_json)
    if output is not None and not as_json:
        write_line(str(output))
    return 0


def _extract(
    layers: list[str],
    pictures: list[Path],
    network: dict[str, Any],
    *,
    size: int,
    count: int,
    as_json: bool,
    quiet: bool,
) -> _Features:
    """Compute the feature maps of each picture, with progress on standard error."""
    from impasto.apps.cli.progress import reporter
    from impasto.inspection.feature_extractor import FeatureExtractor
    from impasto.inspection.feature_maps import check_count

    with reporter(quiet=quiet or as_json) as report:
        extractor = FeatureExtractor(layers, progress=None if as_json else report.download, **network)
        check_count(count)
        read = [(path.name, extractor.read(path, size)) for path in pictures]
        found: _Features = []
        for done, (name, picture) in enumerate(read):
            report.count(f"features of {name}", done, len(read))
            found.append((name, extractor.features(picture)))
    if not as_json:
        for note in extractor.notes:
            sys.stderr.write(f"note: {note}\n")
    return found


def _write_sheet(output: Path, layers: list[str], found: _Features, *, gram: bool, count: int) -> None:
    from impasto.inspection.feature_maps import feature_sheet
    from impasto.inspection.gram import gram_sheet

    sheet = gram_sheet(layers, found) if gram else feature_sheet(layers, *found[0], count=count)
    write_picture(output, sheet)


def _write_channels(layers: list[str], found: dict[str, Tensor], *, as_json: bool) -> None:
    """Statistics of each layer's channels: all of them as JSON, or a summary as a table."""
    from impasto.inspection.feature_maps import channels

    by_layer = {layer: channels(found[layer]) for layer in layers}
    if as_json:
        write_json_list(
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


def _write_distances(layers: list[str], found: _Features, *, as_json: bool) -> None:
    """Distances between the Gram matrices of two pictures."""
    from impasto.inspection.gram import gram_distance

    (_, one), (_, other) = found
    distances = [gram_distance(layer, one[layer], other[layer]) for layer in layers]
    if as_json:
        write_json_list(asdict(each) for each in distances)
        return
    table(
        ("layer", "mean (G - A)^2", "share"),
        [(each.layer, f"{each.mean:.4g}", f"{each.share:.2%}") for each in distances],
        numbers_from=1,
    )
