"""Total variation: the roughness of the picture itself.

It is a sum over neighbouring pixels, so it can be computed in bands of rows: each band counts its own pixels and
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
"""Whether a band includes the picture's first row, and its last row."""


@dataclass(frozen=True)
class TotalVariation:
    """A weighted sum over K kinds of neighbours.

    Attributes:
        sums: (band (N, 3, h, W), edges) -> (N, K): the sum over the differences of each kind. The last row of a band
            is the first row of the next band, except at the picture's last row.
        weights: (height, width) of the whole picture -> K factors.
    """

    sums: Callable[[Tensor, Edges], Tensor]
    weights: Callable[[Size], tuple[float, ...]]

    def __call__(self, image: Tensor) -> Tensor:
        """(N,) of (N, 3, H, W) in [0, 1]."""
        return self.band_value(image, (True, True), size_of(image))

    def band_value(self, band: Tensor, edges: Edges, size: Size) -> Tensor:
        """The contribution of a band to the loss of a picture of that size: (N,)."""
        sums = self.sums(band, edges)
        return sums @ _tensor(self.weights(size), sums.dtype, sums.device)


@lru_cache(maxsize=8)
def _tensor(weights: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    # Cached: a new tensor would mean a synchronisation with a GPU at every evaluation.
    with torch.inference_mode(False):
        return torch.tensor(weights, dtype=dtype, device=device)


def _absolute(band: Tensor, edges: Edges) -> Tensor:
    """Σ |dx| and Σ |dy|, forward differences."""
    rows = band if edges[1] else band[..., :-1, :]
    dx, dy = rows[..., 1:] - rows[..., :-1], band[..., 1:, :] - band[..., :-1, :]
    return torch.stack([d.abs().sum((1, 2, 3)) for d in (dx, dy)], 1)


def _squares(band: Tensor, edges: Edges) -> Tensor:
    """Σ d² to the right neighbour, to the one below and to the two diagonal ones, with replicate padding of one
    pixel.

    With this padding, the straight differences at the last row and column are 0, but they count in the mean.
    """
    x = F.pad(band, (1, 1, int(edges[0]), int(edges[1])), mode="replicate")
    pixels, below = x[..., int(edges[0]) : -1, 1:-1], x[..., int(edges[0]) + 1 :, 1:-1]
    right = x[..., int(edges[0]) : -1, 2:] - pixels
    diagonals = x[..., 1:, 1:] - x[..., :-1, :-1], x[..., 1:, :-1] - x[..., :-1, 1:]
    return torch.stack([d.square().sum((1, 2, 3)) for d in (right, below - pixels, *diagonals)], 1)


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

Straight neighbours have the weight 1/3 and diagonal ones 1/12, which makes the sum nearly isotropic.
"""

SMOOTHNESS_LOSSES = {"absolute-sum": absolute_sum, "absolute-mean": absolute_mean, "nine-point": nine_point}
