"""The Gram style loss (Gatys, Ecker, Bethge 2015, arXiv:1508.06576, equations 3 and 4).

Tools differ in the divisor of the Gram matrix, and in whether they sum or average over its entries:

========== ============== ==========================================================
divide     G              used by
========== ============== ==========================================================
nothing    Σ f fᵀ         the seed's text (``textbook``), summed over entries
pixels     Σ f fᵀ / HW    pystiche and pastiche; also the seed and gordic, which
                          write it as / (C·H·W), summed: the same number
elements   Σ f fᵀ / CHW   neural-style, which averages over entries as well
========== ============== ==========================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from impasto.losses.cost import Cost
from impasto.losses.moments import Moments


@dataclass(frozen=True)
class Gram:
    """Squared difference of Gram matrices.

    Args:
        divide: the divisor of the sum over pixels; "elements" is channels × pixels.
        reduce: the reduction over the C × C entries. "share" divides the sum by Σ A² of the style, which makes
            layers, styles and sizes comparable: a Gram matrix of zeros has the loss 1.
    """

    divide: Literal["nothing", "pixels", "elements"] = "pixels"
    reduce: Literal["sum", "mean", "share"] = "mean"

    def summarise(self, features: Tensor, weight: Tensor | None = None) -> Moments:
        """Moments of (N, C, H, W) feature maps, each pixel weighted by (1, 1, H, W)."""
        return Moments.of(features, weight)

    def matrix(self, summary: Moments) -> Tensor:
        """(N, C, C): the Gram matrix, divided as ``divide`` says."""
        if self.divide == "nothing":
            return summary.second
        channels = summary.second.shape[-1] if self.divide == "elements" else 1
        return summary.second / (channels * summary.count)

    def cost(self, channels: int) -> Cost:
        """Negligible beside the moments: sums over C × C values."""
        return Cost()

    def distance(self, summary: Moments, target: Moments) -> Tensor:
        """(N,): (G − A)², reduced over the entries."""
        target_matrix = self.matrix(target)
        squared = (self.matrix(summary) - target_matrix).square()
        match self.reduce:
            case "sum":
                return squared.sum((1, 2))
            case "mean":
                return squared.mean((1, 2))
            case "share":
                return squared.sum((1, 2)) / target_matrix.square().sum((1, 2))
