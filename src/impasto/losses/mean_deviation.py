"""Each channel's mean and standard deviation, and nothing else of a style.

The statistics that AdaIN carries over (Huang and Belongie 2017, arXiv:1703.06868, equations 8 and 13), compared in
squares as in Li, Wang, Liu and Hou 2017, Demystifying neural style transfer (arXiv:1701.01036, matching of batch
normalisation statistics): Σ (μ − μₛ)² + (σ − σₛ)² over channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.losses.cost import Cost
from impasto.losses.moments import Moments

_LEAST = 1e-7
"""Of the target's mean variance: added to each, where the root's slope would be infinite."""


@dataclass(frozen=True)
class MeanDeviation:
    """Σ (μ − μₛ)² + (σ − σₛ)², divided by Σ μₛ² + σₛ²: 1 is as far off as features of zero."""

    def summarise(self, features: Tensor, weight: Tensor | None = None) -> Moments:
        """Moments of (N, C, H, W) feature maps, each pixel weighted by (1, 1, H, W)."""
        return Moments.of(features, weight, exact=True)  # a variance is a small difference of large sums

    def cost(self, channels: int) -> Cost:
        """Nothing beside the moments: sums over C × C numbers."""
        return Cost()

    def distance(self, summary: Moments, target: Moments) -> Tensor:
        """(N,)."""
        wanted = _variance(target)
        least = _LEAST * wanted.mean(-1, keepdim=True) + torch.finfo(wanted.dtype).tiny
        deviation, aim = (_variance(summary) + least).sqrt(), (wanted + least).sqrt()
        off = (summary.mean - target.mean).square().sum(-1) + (deviation - aim).square().sum(-1)
        return off / (target.mean.square().sum(-1) + aim.square().sum(-1))


def _variance(moments: Moments) -> Tensor:
    """(N, C), not below zero."""
    second = moments.second.diagonal(dim1=-2, dim2=-1) / moments.count
    return (second - moments.mean.square()).clamp(min=0.0)
