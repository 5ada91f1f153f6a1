"""The summary that style losses share: sums over pixels, so that summaries of two pieces add up to the whole's.

From this follow several styles blended, regions, and the exact gradient tile by tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from impasto.exact import exact_type
from impasto.kernels.moments import moments


class _Sums(torch.autograd.Function):
    """Σ f and Σ f fᵀ over the pixels of (N, P, C), at least in float32.

    Autograd would multiply twice on the way back, since f stands on both sides of the product, and in float32.
    """

    @staticmethod
    def forward(ctx: Any, f: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(f)
        ctx.set_materialize_grads(False)
        if (found := moments(f)) is not None:
            return found
        # The first moment as a product too: a sum in another type would first copy all features to it.
        ones = torch.ones(1, dtype=f.dtype, device=f.device).expand(f.shape[0], f.shape[1], 1)
        return _products(ones, f).squeeze(1), _products(f, f)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Tensor | None:
        f: Tensor
        (f,) = ctx.saved_tensors
        first, second = grads
        gradient = None if second is None else f @ (second + second.mT).to(f.dtype)
        if first is None:
            return gradient
        first = first.to(f.dtype).unsqueeze(1)
        return first.expand_as(f) if gradient is None else gradient + first


def _products(a: Tensor, b: Tensor) -> Tensor:
    """Σ a bᵀ over the pixels of (N, P, A) and (N, P, B): (N, A, B), at least in float32."""
    n, pixels, c = b.shape
    if b.dtype.itemsize >= 4:
        return a.mT @ b
    # A product of bfloat16 matrices is summed in float32 but returned in bfloat16, an error of 0.13 %. Summing over
    # pieces, and the pieces in float32, leaves 0.04 % and keeps the speed. More pieces than this would cost more
    # to add up than to multiply.
    pieces = max(1, min(64, pixels // (8 * c)))
    length = pixels // pieces

    def split(f: Tensor) -> Tensor:
        return f[:, : pieces * length].reshape(n * pieces, length, f.shape[2])

    total = (split(a).mT @ split(b)).view(n, pieces, a.shape[2], c).sum(1, dtype=torch.float32)
    rest = slice(pieces * length, pixels)
    return total + a[:, rest].float().mT @ b[:, rest].float()


@dataclass(frozen=True, eq=False)  # compared by identity: tensors have no one truth
class Moments:
    """Sums over the pixels of feature maps.

    Attributes:
        count: number of pixels n, or the sum of their weights.
        first: (N, C), Σ f.
        second: (N, C, C), Σ f fᵀ.
    """

    count: float
    first: Tensor
    second: Tensor

    @classmethod
    def of(cls, features: Tensor, weight: Tensor | None = None, *, exact: bool = False) -> Moments:
        """Moments of (N, C, H, W) feature maps, at least in float32.

        Args:
            weight: (1, 1, H, W), how much each pixel counts; None counts each once.
            exact: multiply in float32 as well. Products of bfloat16 are 0.04 % off, and a covariance that is a small
                difference of such sums need not be positive definite.
        """
        if exact:
            features = features.to(torch.promote_types(features.dtype, torch.float32))
        n, c, h, w = features.shape
        # Channels last in memory, so this is a view.
        points = features.permute(0, 2, 3, 1).reshape(n, h * w, c)
        if weight is not None:
            wide = torch.promote_types(points.dtype, torch.float32)
            weighted = points * weight.reshape(1, h * w, 1).to(points.dtype)
            first = weighted.sum(1, dtype=wide)
            return cls(float(weight.sum(dtype=exact_type(weight.device))), first, _products(weighted, points))
        first, second = _Sums.apply(points)  # type: ignore[no-untyped-call]
        return cls(float(h * w), first, second)

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
