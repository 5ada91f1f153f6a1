"""The sliced Wasserstein distance between features as points (Heitz, Vanhoey, Chambon and Belcour 2021, A sliced
Wasserstein loss for neural texture synthesis, arXiv:2006.07229).

Along a direction θ the features are numbers, and the distance between two sets of numbers is had by sorting them
(:mod:`impasto.losses.transport_1d`). Over all directions this tells any two distributions apart, where a Gram matrix
sees second moments alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.losses.cost import Cost
from impasto.losses.masking import within
from impasto.losses.sampling import sample
from impasto.losses.transport_1d import SORTING, squared_distance


@dataclass(frozen=True)
class SlicedWasserstein:
    """The mean over random directions of W₂² along them, divided by the style's Σ f² / C: 1 is as far off as zeros.

    As many directions as channels, as in the paper, but fewer where that would be more numbers to sort than ``most``.

    Args:
        seed: of the directions.
        most: numbers to sort.
        fewest: directions, whatever the number of pixels.
    """

    seed: int = 0
    most: int = 1 << 22
    fewest: int = 4

    smallest = 1
    draws = True

    def keep(self, features: Tensor, guide: Tensor | None = None) -> Tensor:
        """The features themselves: every turn has other directions."""
        return within(features, guide)

    def __call__(
        self, features: Tensor, kept: Tensor, sample_index: int, guide: Tensor | None = None
    ) -> Tensor:
        """(N,)."""
        points, targets = _points(within(features, guide)), _points(kept)
        directions = self._directions(points.shape[-1], max(points.shape[1], targets.shape[1]), sample_index)
        directions = directions.to(points.dtype).to(points.device)  # the type first: Metal has no float64
        ordered = (targets[0] @ directions).mT.contiguous().sort(-1).values
        energy = targets.square().sum(-1).mean() / targets.shape[-1]
        return torch.stack([squared_distance((f @ directions).mT, ordered).mean() for f in points]) / energy

    def _directions(self, channels: int, pixels: int, sample_index: int) -> Tensor:
        """(C, K), each of length 1, evenly distributed over the sphere."""
        count = self._count(channels, pixels)
        generator = sample(self.seed, sample_index)
        found = torch.randn(channels, count, dtype=torch.float64, generator=generator)
        return found / found.square().sum(0).sqrt()

    def _count(self, channels: int, pixels: int) -> int:
        return min(channels, max(self.fewest, self.most // pixels))

    def cost(self, channels: int, pixels: int, others: int) -> Cost:
        """What it takes for a map of so many pixels, against one of so many others."""
        directions = self._count(channels, max(pixels, others))
        numbers = directions * (pixels + others)
        # Both maps in float32, the gradient; along the directions what was sorted and how far off it was.
        work = 4.0 * channels * (3 * pixels + 2 * others) + 4.0 * 4 * numbers + SORTING
        return Cost(4.0 * channels * others, work, 3.0 * channels * numbers, numbers)


def _points(features: Tensor) -> Tensor:
    """(N, C, H, W) as (N, HW, C), at least in float32."""
    wide = features.to(torch.promote_types(features.dtype, torch.float32))
    return wide.flatten(2).mT
