"""Pictures and statistics of a layer's feature maps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
from torch import Tensor

from impasto.errors import ParameterError
from impasto.figures.contact_sheet import contact_sheet, labelled, longest_side
from impasto.figures.heatmap import colored, enlarged, short_number


@dataclass(frozen=True)
class Channel:
    """Statistics of one feature map.

    Attributes:
        number: the channel, from 0.
        mean: of its values.
        maximum: its largest value.
        zeros: share of the values that are 0, which ReLU has cut off.
    """

    number: int
    mean: float
    maximum: float
    zeros: float


def channels(features: Tensor) -> list[Channel]:
    """All channels of (C, H, W), strongest first: ordered by the mean absolute value."""
    flat = features.flatten(1)
    order = flat.abs().mean(1).argsort(descending=True, stable=True)
    columns = (flat.mean(1), flat.amax(1), (flat == 0).float().mean(1))
    return [Channel(number, *(float(column[number]) for column in columns)) for number in order.tolist()]


def feature_grid(features: Tensor, *, title: str = "", count: int = 64, cell: int = 128) -> PIL.Image.Image:
    """A grid of the strongest feature maps, each labelled with its channel and its largest value.

    Each map has its own colour scale, from 0 to about its largest value. Features before a ReLU have a diverging
    scale: blue below 0, red above.

    Args:
        features: (C, H, W).
        count: the most maps to show.
        cell: approximate side of a map in the grid, in pixels.

    Raises:
        ParameterError: ``count`` is less than 1.
    """
    check_count(count)
    strongest = channels(features)[:count]
    signed = bool((features < 0).any())
    cells = [
        labelled(
            enlarged(colored(features[each.number], signed=signed), cell),
            f"{each.number}: {short_number(each.maximum)}",
        )
        for each in strongest
    ]
    across = math.ceil(math.sqrt(len(cells) * cells[0].height / cells[0].width))
    rows = [cells[at : at + across] for at in range(0, len(cells), across)]
    return contact_sheet(
        rows, title=title, note=_key(strongest[0], signed=signed), cell=longest_side(cells), text=15
    )


def feature_sheet(
    layers: Sequence[str], name: str, features: Mapping[str, Tensor], *, count: int = 64
) -> PIL.Image.Image:
    """The grids of several layers, one below the other.

    Args:
        layers: names of the layers to show.
        name: the picture's name, for the titles.
        features: layer -> (C, H, W).
        count: the most feature maps to show per layer.
    """
    grids = [
        feature_grid(
            features[layer],
            title=f"{name} at {layer}: {min(count, len(features[layer]))} of {len(features[layer])} channels",
            count=count,
        )
        for layer in layers
    ]
    return (
        grids[0] if len(grids) == 1 else contact_sheet([[grid] for grid in grids], cell=longest_side(grids))
    )


def _key(first: Channel, *, signed: bool) -> str:
    """What the label of a map and its colours mean."""
    number, maximum = first.number, short_number(first.maximum)
    label = f"{number}: {maximum} = channel {number}, maximum {maximum}. Strongest first."
    colors = "blue below 0, red above" if signed else "black 0, yellow near the maximum"
    return f"{label} Each map has its own scale: {colors}."


def check_count(count: int) -> None:
    """Check the number of channels to show.

    Raises:
        ParameterError: ``count`` is less than 1.
    """
    if count < 1:
        raise ParameterError(f"channels: expected 1 or more, got {count}")
