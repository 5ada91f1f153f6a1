"""The summary of most style losses: the first and the second moments of feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from impasto.exact import exact_type
from impasto.kernels.moments import add_products, moments


class _Sums(torch.autograd.Function):
    """Σ f and Σ f fᵀ over the pixels of (N, P, C), at least in float32.

    Autograd's backward pass would multiply twice, since f is on both sides of the product, in float32.
    """

    @staticmethod
    def forward(ctx: Any, f: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(f)
        ctx.set_materialize_grads(False)
        if (found := moments(f)) is not None:
            return found
        # The first moment is computed as a product too: a sum with another dtype would first copy all features.
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
    # A product of bfloat16 matrices is summed in float32 but returned in bfloat16, an error of 0.13 %. Products of
    # chunks of the pixels, summed in float32, reduce it to 0.04 % at the same speed. With more chunks than this, the
    # sum would cost more than the products.
    chunks = max(1, min(64, pixels // (8 * c)))
    length = pixels // chunks

    def split(f: Tensor) -> Tensor:
        return f[:, : chunks * length].reshape(n * chunks, length, f.shape[2])

    total = (split(a).mT @ split(b)).view(n, chunks, a.shape[2], c).sum(1, dtype=torch.float32)
    rest = slice(chunks * length, pixels)
    return total + a[:, rest].float().mT @ b[:, rest].float()


@dataclass(frozen=True, eq=False)  # compared by identity: == of tensors is elementwise
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
            weight: (1, 1, H, W), the weight of each pixel; None weights each with 1.
            exact: compute the products in at least float32. Products of bfloat16 have an error of 0.04 %, and a
                covariance, a small difference of such sums, may then not be positive definite.
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

    @property
    def channels(self) -> int:
        """C."""
        return self.first.shape[-1]

    @property
    def sums(self) -> tuple[Tensor, Tensor]:
        """The first and the second moment."""
        return self.first, self.second

    def with_sums(self, sums: tuple[Tensor, ...], count: float) -> Moments:
        """Moments with other sums and another count."""
        first, second = sums
        return Moments(count, first, second)

    @property
    def mean(self) -> Tensor:
        """(N, C): Σ f / n."""
        return self.first / self.count

    @property
    def covariance(self) -> Tensor:
        """(N, C, C): Σ f fᵀ / n − mean meanᵀ."""
        mean = self.mean
        return self.second / self.count - mean.unsqueeze(-1) * mean.unsqueeze(-2)

    @staticmethod
    def add_gradient(
        features: Tensor, by_sums: Sequence[Tensor | None], gradient: Tensor | None, weight: Tensor | None
    ) -> Tensor:
        """d/df of a function of Σ w f and Σ w f fᵀ (:meth:`impasto.losses.summary.Summary.add_gradient`)."""
        by_first, by_second = by_sums
        n, c, h, w = features.shape
        points = features.permute(0, 2, 3, 1).reshape(n, h * w, c)
        if weight is not None:
            weight = weight.to(features.dtype).reshape(1, h * w, 1)
            points = points * weight
        result = (
            torch.zeros_like(points)
            if gradient is None
            else gradient.permute(0, 2, 3, 1).reshape(n, h * w, c)
        )
        if by_second is not None:
            factors = (by_second + by_second.mT).to(features.dtype)
            if add_products(result, points, factors):
                if by_first is None and gradient is not None and result.data_ptr() == gradient.data_ptr():
                    return gradient  # the addition was in place
            else:
                result = torch.baddbmm(result, points, factors)
        if by_first is not None:
            more = by_first.to(features.dtype).unsqueeze(1)
            result = result + (more if weight is None else more * weight)
        return result.view(n, h, w, c).permute(0, 3, 1, 2)
