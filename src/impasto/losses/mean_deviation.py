"""A style loss on the mean and standard deviation of each channel.

These are the statistics that AdaIN transfers (Huang and Belongie 2017, arXiv:1703.06868, equations 8 and 13),
compared in squares as in Li, Wang, Liu and Hou 2017, Demystifying neural style transfer (arXiv:1701.01036, matching
of batch normalisation statistics): Σ (μ − μₛ)² + (σ − σₛ)² over channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.losses.cost import Cost
from impasto.losses.moments import Moments

_LEAST = 1e-7
"""Share of the target's mean variance, added to each variance: the derivative of √ is infinite at 0."""


@dataclass(frozen=True)
class MeanDeviation:
    """Σ (μ − μₛ)² + (σ − σₛ)², divided by Σ μₛ² + σₛ²: features of zero have the loss 1."""

    def summarise(self, features: Tensor, weight: Tensor | None = None) -> Moments:
        """Moments of (N, C, H, W) feature maps, each pixel weighted by (1, 1, H, W)."""
        return Moments.of(features, weight, exact=True)  # a variance is a small difference of large sums

    def cost(self, channels: int) -> Cost:
        """Negligible beside the moments: sums over C × C values."""
        return Cost()

    def distance(self, summary: Moments, target: Moments) -> Tensor:
        """(N,)."""
        variance = _variance(target)
        least = _LEAST * variance.mean(-1, keepdim=True) + torch.finfo(variance.dtype).tiny
        deviation, target_deviation = (_variance(summary) + least).sqrt(), (variance + least).sqrt()
        means = (summary.mean - target.mean).square().sum(-1)
        deviations = (deviation - target_deviation).square().sum(-1)
        return (means + deviations) / (target.mean.square().sum(-1) + target_deviation.square().sum(-1))


def _variance(moments: Moments) -> Tensor:
    """(N, C), clamped to at least 0."""
    second = moments.second.diagonal(dim1=-2, dim2=-1) / moments.count
    return (second - moments.mean.square()).clamp(min=0.0)
