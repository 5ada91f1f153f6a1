"""What a network sees in a picture: its feature maps, and the Gram matrices that style losses compare.

A feature map says where something was seen; the Gram matrix, what was seen together, and no longer where.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.errors import ParameterError
from impasto.losses.gram import Gram
from impasto.losses.moments import Moments
from impasto.runs.colormap import balance, glow
from impasto.runs.sheet import contact_sheet, labelled

_INK, _PAPER = (30, 30, 30), (255, 255, 255)
# Quantiles of the values that are shown as the largest: a few that stand out shall not darken the rest.
_TOP, _TOP_OF_GRAM = 0.99, 0.999
_TICKS = 4


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
            _fitted(_coloured(features[each.number], signed=signed), cell),
            f"{each.number}: {_short(each.maximum)}",
        )
        for each in strongest
    ]
    across = math.ceil(math.sqrt(len(cells) * cells[0].height / cells[0].width))
    rows = [cells[at : at + across] for at in range(0, len(cells), across)]
    return contact_sheet(rows, title=title, cell=_longest(cells), text=15)


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
    return grids[0] if len(grids) == 1 else contact_sheet([[grid] for grid in grids], cell=_longest(grids))


def check_count(count: int) -> None:
    """Refuse to show no channel at all.

    Raises:
        ParameterError: ``count`` is less than 1.
    """
    if count < 1:
        raise ParameterError(f"channels: expected 1 or more, got {count}")


def gram(features: Tensor) -> Tensor:
    """The Gram matrix of (C, H, W), divided by the number of pixels: (C, C)."""
    return Gram(divide="pixels").matrix(Moments.of(features[None], exact=True))[0]


def order(matrix: Tensor) -> Tensor:
    """An order of the channels in which those that occur together stand together: (C,) indices.

    By the second eigenvector of the graph whose edges are the cosines between channels (Atkins, Boman and
    Hendrickson 1998, A spectral algorithm for seriation). Channels that are 0 everywhere come last.

    Args:
        matrix: a Gram matrix (C, C), or the sum of several.
    """
    size = matrix.diagonal().clamp(min=0.0).double().sqrt()
    alive = size > 0
    cosines = (matrix.double() / (size[:, None] * size[None])).nan_to_num(0.0, 0.0, 0.0).clamp(0.0, 1.0)
    if not alive.any():
        return torch.arange(len(matrix))
    inside = cosines[alive][:, alive]
    degree = inside.sum(1).rsqrt()
    _, vectors = torch.linalg.eigh(degree[:, None] * inside * degree[None])
    second = vectors[:, -2] * degree if len(inside) > 1 else vectors[:, -1]
    # An eigenvector's sign is arbitrary; the strongest channels come first.
    second = second * torch.sign((second * size[alive].square()).sum())
    living = alive.nonzero().flatten()[second.argsort(descending=True, stable=True)]
    return torch.cat([living, (~alive).nonzero().flatten()])


def gram_picture(
    matrix: Tensor, *, side: int = 512, scale: float | None = None, signed: bool | None = None
) -> PIL.Image.Image:
    """A Gram matrix with a colour bar. Colours follow the square root of the values, with their sign.

    Args:
        matrix: (C, C), its channels in the order they are to be shown.
        side: of the matrix as it is shown, in pixels.
        scale: the value at the bar's end; None takes that of :func:`top`.
        signed: blue below 0, red above; None if there is anything below 0.
    """
    largest = top(matrix) if scale is None else scale
    signed = bool((matrix < 0).any()) if signed is None else signed
    shares = matrix / (largest or 1.0)
    roots = shares.sign() * shares.abs().sqrt()
    if len(roots) > side:
        roots = F.adaptive_avg_pool2d(roots[None], side)[0]
    coloured = _picture((balance if signed else glow)(roots))
    coloured = coloured.resize((side, side), PIL.Image.Resampling.NEAREST)
    return _with_bar(coloured, largest, signed=signed)


def top(matrix: Tensor) -> float:
    """The value at which a Gram matrix's colours end: all but a thousandth of its values are smaller."""
    return float(matrix.abs().flatten().kthvalue(max(1, math.ceil(_TOP_OF_GRAM * matrix.numel()))).values)


@dataclass(frozen=True)
class GramDistance:
    """How far two pictures' Gram matrices are apart at a layer.

    Attributes:
        layer: its name.
        mean: of the squared differences: the style loss "gram".
        share: Σ (G − A)² / Σ A², with A the second picture's: the style loss "gram-share".
    """

    layer: str
    mean: float
    share: float


def gram_distance(layer: str, features: Tensor, other: Tensor) -> GramDistance:
    """The distance between the Gram matrices of (C, H, W) and (C, H', W')."""
    one, two = (Moments.of(each[None], exact=True) for each in (features, other))
    return GramDistance(
        layer,
        float(Gram("pixels", "mean").distance(one, two)),
        float(Gram("pixels", "share").distance(one, two)),
    )


def gram_sheet(
    layers: Sequence[str],
    pictures: Sequence[tuple[str, Mapping[str, Tensor]]],
    *,
    side: int = 256,
) -> PIL.Image.Image:
    """Gram matrices: a row for each layer, a column for each picture, and, of two pictures, their difference.

    Within a row the channels have the same order and the pictures the same scale.

    Args:
        layers: which.
        pictures: one or two names with features, layer -> (C, H, W).
        side: of a matrix as it is shown, in pixels.
    """
    names = [name for name, _ in pictures]
    rows = []
    for layer in layers:
        matrices = [gram(features[layer]) for _, features in pictures]
        # Of equal weight, whichever picture is the stronger.
        ordered = order(sum((each / each.trace().clamp(min=1e-30) for each in matrices), torch.zeros(())))
        aligned = [each[ordered][:, ordered] for each in matrices]
        largest = max(map(top, matrices))
        row = [gram_picture(each, side=side, scale=largest) for each in aligned]
        if len(aligned) == 2:
            row.append(gram_picture(aligned[0] - aligned[1], side=side, signed=True))
        rows.append(row)
    labels = [*names, f"{names[0]} - {names[1]}"] if len(names) == 2 else names
    return contact_sheet(rows, row_labels=layers, column_labels=labels, cell=max(map(_longest, rows)))


def _longest(pictures: Sequence[PIL.Image.Image]) -> int:
    """The longest side of any, so that a sheet shows them as they are."""
    return max(max(picture.size) for picture in pictures)


def _coloured(values: Tensor, *, signed: bool) -> PIL.Image.Image:
    size = values.abs().flatten()
    largest = float(size.kthvalue(max(1, math.ceil(_TOP * size.numel()))).values) or float(size.max()) or 1.0
    return _picture((balance if signed else glow)(values / largest))


def _short(value: float) -> str:
    return f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"


def _picture(colours: Tensor) -> PIL.Image.Image:
    """(H, W, 3) in [0, 1] as a picture."""
    return PIL.Image.fromarray((colours * 255.0).round().to(torch.uint8).numpy())


def _fitted(picture: PIL.Image.Image, side: int) -> PIL.Image.Image:
    """Enlarged by whole steps, so that a map's own pixels are seen; or made smaller."""
    longest = max(picture.size)
    if longest > side:
        picture = picture.copy()
        picture.thumbnail((side, side), PIL.Image.Resampling.BOX)
        return picture
    factor = side // longest
    return picture.resize((picture.width * factor, picture.height * factor), PIL.Image.Resampling.NEAREST)


def _with_bar(picture: PIL.Image.Image, largest: float, *, signed: bool, text: int = 12) -> PIL.Image.Image:
    """With a colour bar to its right."""
    font = PIL.ImageFont.load_default(text)
    bar, gap = round(1.2 * text), text // 2
    places = [tick / _TICKS for tick in range(-_TICKS if signed else 0, _TICKS + 1)]
    labels = [_short(largest * place * abs(place)) for place in places]
    room = math.ceil(max(font.getlength(label) for label in labels))
    height = max(picture.height, (len(places) + 1) * text)
    whole = PIL.Image.new("RGB", (picture.width + bar + room + 4 * gap, height + text), _PAPER)
    whole.paste(picture, (0, text // 2))
    lowest = places[0]
    down = torch.linspace(1.0, lowest, height, dtype=torch.float64)
    colours = (balance if signed else glow)(down)[:, None].expand(height, bar, 3)
    left = picture.width + 2 * gap
    whole.paste(_picture(colours), (left, text // 2))
    draw = PIL.ImageDraw.Draw(whole)
    for place, label in zip(places, labels, strict=True):
        y = text // 2 + round((1.0 - place) / (1.0 - lowest) * (height - 1))
        draw.text((left + bar + gap, y), label, _INK, font=font, anchor="lm")
    return whole
