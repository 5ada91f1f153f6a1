"""Total variation: how rough the picture itself is.

A sum over neighbouring pixels, so that it can be formed band by band: each band of rows counts its own pixels, and
their differences to the row below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.geometry import Size, size_of

Edges = tuple[bool, bool]
"""Whether a band holds the picture's first row, and its last."""


@dataclass(frozen=True)
class TotalVariation:
    """A weighted sum over kinds of neighbours.

    Attributes:
        sums: (band (N, 3, h, W), edges) -> (N, K): a sum over the differences of each kind. The band's last row is
            the next one's first, unless it is the picture's last.
        weights: (height, width) of the whole picture -> K factors.
    """

    sums: Callable[[Tensor, Edges], Tensor]
    weights: Callable[[Size], tuple[float, ...]]

    def __call__(self, image: Tensor) -> Tensor:
        """(N,) of (N, 3, H, W) in [0, 1]."""
        return self.piece(image, (True, True), size_of(image))

    def piece(self, band: Tensor, edges: Edges, size: Size) -> Tensor:
        """What a band contributes to a picture of that size: (N,)."""
        sums = self.sums(band, edges)
        return sums @ _tensor(self.weights(size), sums.dtype, sums.device)


@lru_cache(maxsize=8)
def _tensor(weights: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    # Kept, since a GPU would be waited for at every evaluation.
    with torch.inference_mode(False):
        return torch.tensor(weights, dtype=dtype, device=device)


def _absolute(band: Tensor, edges: Edges) -> Tensor:
    """Σ |dx| and Σ |dy|, forward differences."""
    own = band if edges[1] else band[..., :-1, :]
    dx, dy = own[..., 1:] - own[..., :-1], band[..., 1:, :] - band[..., :-1, :]
    return torch.stack([d.abs().sum((1, 2, 3)) for d in (dx, dy)], 1)


def _squares(band: Tensor, edges: Edges) -> Tensor:
    """Σ d² to the right, below and to the two diagonals below; the edge is repeated by one pixel.

    At the last row and column the straight ones are therefore 0, but counted.
    """
    x = F.pad(band, (1, 1, int(edges[0]), int(edges[1])), mode="replicate")
    own, following = x[..., int(edges[0]) : -1, 1:-1], x[..., int(edges[0]) + 1 :, 1:-1]
    right = x[..., int(edges[0]) : -1, 2:] - own
    diagonals = x[..., 1:, 1:] - x[..., :-1, :-1], x[..., 1:, :-1] - x[..., :-1, 1:]
    return torch.stack([d.square().sum((1, 2, 3)) for d in (right, following - own, *diagonals)], 1)


def _mean_of_both(size: Size) -> tuple[float, ...]:
    height, width = size
    return 127.5 / (3 * height * max(1, width - 1)), 127.5 / (3 * max(1, height - 1) * width)


def _nearly_isotropic(size: Size) -> tuple[float, ...]:
    height, width = size
    straight, slanted = 2.0 / 3.0 / (3 * height * width), 2.0 / 12.0 / (3 * (height + 1) * (width + 1))
    return straight, straight, slanted, slanted


absolute_sum = TotalVariation(_absolute, lambda size: (255.0, 255.0))
"""Σ |dx| + Σ |dy| in grey levels of 255 (neural-style, gordic, the seed)."""

absolute_mean = TotalVariation(_absolute, _mean_of_both)
"""½ (mean |dx| + mean |dy|) in grey levels of 255 (pastiche)."""

nine_point = TotalVariation(_squares, _nearly_isotropic)
"""Mean squared differences to the eight neighbours, in [0, 1] units (style-transfer-pytorch's TVLoss).

Straight neighbours count 1/3 and diagonal ones 1/12, which makes the sum nearly isotropic.
"""

SMOOTHNESS_LOSSES = {"absolute-sum": absolute_sum, "absolute-mean": absolute_mean, "nine-point": nine_point}
