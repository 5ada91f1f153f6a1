"""The summary that style losses share: sums over pixels, so that summaries of two pieces add up to the whole's.

From this follow several styles blended, regions, and the exact gradient tile by tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Sums over the pixels of feature maps.

    Attributes:
        count: number of pixels n.
        first: (N, C), Σ f.
        second: (N, C, C), Σ f fᵀ.
    """

    count: float
    first: Tensor
    second: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Moments:
        """Moments of (N, C, H, W) feature maps, at least in float32."""
        n, c, h, w = features.shape
        # At least float32: sums over 10^5 pixels do not fit the 8 bits of bfloat16.
        dtype = torch.promote_types(features.dtype, torch.float32)
        # Channels last in memory, so this is a view, and the product below needs no copy.
        f = features.permute(0, 2, 3, 1).reshape(n, h * w, c).to(dtype)  # (N, HW, C)
        return cls(float(h * w), f.sum(1), f.mT @ f)

    def plus(self, other: Moments) -> Moments:
        """The moments of both pieces together."""
        return Moments(self.count + other.count, self.first + other.first, self.second + other.second)

    @property
    def mean(self) -> Tensor:
        """(N, C): Σ f / n."""
        return self.first / self.count

    @property
    def covariance(self) -> Tensor:
        """(N, C, C): Σ f fᵀ / n − mean meanᵀ."""
        mean = self.mean
        return self.second / self.count - mean.unsqueeze(-1) * mean.unsqueeze(-2)


def blend(summaries: Sequence[Moments], weights: Sequence[float]) -> Moments:
    """Moments of a picture that is a share ``weights[i]`` of each style, whatever the styles' sizes.

    For a quadratic loss and weights that sum to 1, the gradient towards the blend equals the weighted sum of the
    gradients towards each style; only a constant differs.
    """
    count = sum(w * s.count for s, w in zip(summaries, weights, strict=True))
    shares = [count * w / s.count for s, w in zip(summaries, weights, strict=True)]
    first = torch.stack([s.first * share for s, share in zip(summaries, shares, strict=True)]).sum(0)
    second = torch.stack([s.second * share for s, share in zip(summaries, shares, strict=True)]).sum(0)
    return Moments(count, first, second)
