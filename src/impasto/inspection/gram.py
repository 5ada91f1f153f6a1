"""Pictures and distances of a layer's Gram matrices."""

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

from impasto.figures.colormaps import balance, glow
from impasto.figures.contact_sheet import contact_sheet, longest_side
from impasto.figures.heatmap import as_picture, with_bar
from impasto.losses.gram import Gram
from impasto.losses.moments import Moments

_TOP = 0.999  # the quantile of a Gram matrix's values at the end of the colour scale


def gram(features: Tensor) -> Tensor:
    """The Gram matrix of (C, H, W), divided by the number of pixels: (C, C)."""
    return Gram(divide="pixels").matrix(Moments.of(features[None], exact=True))[0]


def order(matrix: Tensor) -> Tensor:
    """Spectral seriation: an order of the channels that places correlated channels side by side, (C,) indices.

    Channels are sorted by the second eigenvector of the graph whose edge weights are the cosines between channels
    (Atkins, Boman and Hendrickson 1998, A spectral algorithm for seriation). Channels that are 0 everywhere come
    last.

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
    # An eigenvector's sign is arbitrary; this choice puts the strongest channels first.
    second = second * torch.sign((second * size[alive].square()).sum())
    living = alive.nonzero().flatten()[second.argsort(descending=True, stable=True)]
    return torch.cat([living, (~alive).nonzero().flatten()])


def gram_picture(
    matrix: Tensor, *, side: int = 512, scale: float | None = None, signed: bool | None = None
) -> PIL.Image.Image:
    """A Gram matrix as a heat map with a colour bar. Colours show the signed square root of the values.

    Args:
        matrix: (C, C), with the channels already ordered.
        side: of the heat map, in pixels.
        scale: the value at the bar's end; None uses :func:`top`.
        signed: use a diverging scale, blue below 0 and red above; None uses it if any value is below 0.
    """
    largest = top(matrix) if scale is None else scale
    signed = bool((matrix < 0).any()) if signed is None else signed
    shares = matrix / (largest or 1.0)
    roots = shares.sign() * shares.abs().sqrt()
    if len(roots) > side:
        roots = F.adaptive_avg_pool2d(roots[None], side)[0]
    heatmap = as_picture((balance if signed else glow)(roots))
    heatmap = heatmap.resize((side, side), PIL.Image.Resampling.NEAREST)
    return with_bar(heatmap, largest, signed=signed)


def top(matrix: Tensor) -> float:
    """The end of the colour scale: the 99.9 % quantile of the matrix's absolute values."""
    return float(matrix.abs().flatten().kthvalue(max(1, math.ceil(_TOP * matrix.numel()))).values)


@dataclass(frozen=True)
class GramDistance:
    """The distance between two pictures' Gram matrices at a layer.

    Attributes:
        layer: its name.
        mean: mean squared difference, the style loss "gram".
        share: Σ (G − A)² / Σ A², with A the second picture's matrix, the style loss "gram-share".
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
    """Gram matrices: one row per layer, one column per picture; two pictures get a third column, their difference.

    Within a row, all matrices have the same order of channels, and the pictures have the same colour scale.

    Args:
        layers: names of the layers to show.
        pictures: one or two names with features, layer -> (C, H, W).
        side: of a matrix, in pixels.
    """
    names = [name for name, _ in pictures]
    rows = []
    for layer in layers:
        matrices = [gram(features[layer]) for _, features in pictures]
        # Dividing by the trace gives both pictures equal weight.
        ordered = order(sum((each / each.trace().clamp(min=1e-30) for each in matrices), torch.zeros(())))
        aligned = [each[ordered][:, ordered] for each in matrices]
        largest = max(map(top, matrices))
        row = [gram_picture(each, side=side, scale=largest) for each in aligned]
        if len(aligned) == 2:
            row.append(gram_picture(aligned[0] - aligned[1], side=side, signed=True))
        rows.append(row)
    labels = [*names, f"{names[0]} - {names[1]}"] if len(names) == 2 else names
    note = "Rows and columns: channels, similar ones side by side. Colours: their inner products."
    cell = max(map(longest_side, rows))
    return contact_sheet(rows, row_labels=layers, column_labels=labels, note=note, cell=cell)
