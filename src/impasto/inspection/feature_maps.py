"""A layer's feature maps, looked at."""

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
    """One feature map in numbers.

    Attributes:
        number: from 0.
        mean: of its values.
        maximum: the largest.
        zeros: share of the values that are 0, where ReLU has cut off.
    """

    number: int
    mean: float
    maximum: float
    zeros: float


def channels(features: Tensor) -> list[Channel]:
    """All channels of (C, H, W), strongest first: by the mean of their values, without sign."""
    flat = features.flatten(1)
    order = flat.abs().mean(1).argsort(descending=True, stable=True)
    columns = (flat.mean(1), flat.amax(1), (flat == 0).float().mean(1))
    return [Channel(number, *(float(column[number]) for column in columns)) for number in order.tolist()]


def feature_grid(features: Tensor, *, title: str = "", count: int = 64, cell: int = 128) -> PIL.Image.Image:
    """The strongest feature maps side by side, each with its number and its largest value.

    Each map has a scale of its own, from 0 to (about) its largest value. Where there are values below 0, before a
    ReLU, blue is below and red above.

    Args:
        features: (C, H, W).
        count: how many at most.
        cell: about how wide and high a map is shown, in pixels.

    Raises:
        ParameterError: nothing is to be shown.
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
    return contact_sheet(rows, title=title, cell=longest_side(cells), text=15)


def feature_sheet(
    layers: Sequence[str], name: str, features: Mapping[str, Tensor], *, count: int = 64
) -> PIL.Image.Image:
    """The grids of several layers, one below the other.

    Args:
        layers: which.
        name: the picture's.
        features: layer -> (C, H, W).
        count: feature maps of each layer at most.
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


def check_count(count: int) -> None:
    """Refuse to show no channel at all.

    Raises:
        ParameterError: ``count`` is less than 1.
    """
    if count < 1:
        raise ParameterError(f"channels: expected 1 or more, got {count}")
