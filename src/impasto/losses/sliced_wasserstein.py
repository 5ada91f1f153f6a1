"""The sliced Wasserstein distance between the distributions of features (Heitz, Vanhoey, Chambon and Belcour 2021, A
sliced Wasserstein loss for neural texture synthesis, arXiv:2006.07229).

Projected onto a direction θ, features are numbers, and sorting gives the distance between two sets of numbers
(:mod:`impasto.losses.transport_1d`). Over all directions, the distance separates any two distributions, whereas a
Gram matrix compares only second moments.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.losses.cost import Cost
from impasto.losses.masking import within
from impasto.losses.sampling import SampledLoss, sample
from impasto.losses.transport_1d import SORTING, squared_distance


@dataclass(frozen=True)
class SlicedWasserstein(SampledLoss):
    """The mean over random directions of W₂², divided by the style's Σ f² / C: features of zero have the loss 1.

    There are as many directions as channels, as in the paper, unless ``max_values`` allows only fewer.

    Args:
        seed: random seed of the directions.
        max_values: largest number of values to sort.
        min_directions: smallest number of directions; it takes precedence over ``max_values``.
    """

    max_values: int = 1 << 22
    min_directions: int = 4

    smallest = 1

    def __call__(
        self, features: Tensor, target: Tensor, sample_index: int, guide: Tensor | None = None
    ) -> Tensor:
        """(N,)."""
        points, targets = _points(within(features, guide)), _points(target)
        directions = self._directions(points.shape[-1], max(points.shape[1], targets.shape[1]), sample_index)
        directions = directions.to(points.dtype).to(points.device)  # the type first: Metal has no float64
        ordered = (targets[0] @ directions).mT.contiguous().sort(-1).values
        energy = targets.square().sum(-1).mean() / targets.shape[-1]
        return torch.stack([squared_distance((f @ directions).mT, ordered).mean() for f in points]) / energy

    def _directions(self, channels: int, pixels: int, sample_index: int) -> Tensor:
        """(C, K): unit vectors, uniformly distributed over the sphere."""
        count = self._count(channels, pixels)
        generator = sample(self.seed, sample_index)
        found = torch.randn(channels, count, dtype=torch.float64, generator=generator)
        return found / found.square().sum(0).sqrt()

    def _count(self, channels: int, pixels: int) -> int:
        return min(channels, max(self.min_directions, self.max_values // pixels))

    def cost(self, channels: int, pixels: int, others: int) -> Cost:
        """The cost for a map of ``pixels`` pixels against one of ``others``."""
        directions = self._count(channels, max(pixels, others))
        values = directions * (pixels + others)
        # Both maps in float32, the gradient; along the directions the sorted values and the differences.
        work = 4.0 * channels * (3 * pixels + 2 * others) + 4.0 * 4 * values + SORTING
        return Cost(4.0 * channels * others, work, 3.0 * channels * values, values)


def _points(features: Tensor) -> Tensor:
    """(N, C, H, W) as (N, HW, C), at least in float32."""
    wide = features.to(torch.promote_types(features.dtype, torch.float32))
    return wide.flatten(2).mT
