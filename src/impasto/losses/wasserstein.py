"""The squared 2-Wasserstein distance between Gaussians with the means and covariances of the features.

W₂² = |m − mₛ|² + tr(K + Kₛ − 2 (R K R)^½), R = Kₛ^½ (Olkin and Pukelsheim 1982, The distance between two random
vectors with given dispersion matrices, theorem 4; as a style loss: Mroueh 2019, arXiv:1905.12828).

Only the trace of the root is needed: Σ √λ over the eigenvalues of R K R. Its derivative by K is ½ R (R K R)^−½ R,
which differentiates no eigenvectors, so equal eigenvalues cause no problem. :mod:`impasto.losses.newton_schulz` is
another tool's approximation of the same distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from impasto.exact import exact
from impasto.losses.cost import Cost
from impasto.losses.moments import Moments

_EIGENVALUES = 60
"""Time of the eigenvalues in float64, as a number of matrix products."""


class _TraceOfRoot(torch.autograd.Function):
    """tr(A^½) of symmetric positive definite (…, C, C) matrices."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, least: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(a)
        # Rounding leaves some eigenvalues below their lower bound.
        roots: Tensor = values.clamp(min=least.unsqueeze(-1)).sqrt()
        ctx.save_for_backward(roots, vectors)
        return roots.sum(-1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        roots, vectors = ctx.saved_tensors
        slope = (vectors / (2.0 * roots).unsqueeze(-2)) @ vectors.mT
        return grads[0].unsqueeze(-1).unsqueeze(-1) * slope, None


@lru_cache(maxsize=16)
def _root_of(target: Moments, ridge: float) -> tuple[Tensor, Tensor]:
    """ε and (Kₛ + ε)^½, cached: each target is used hundreds of times."""
    with torch.no_grad():
        covariance = _wide(target).covariance
        eps = ridge * covariance.diagonal(dim1=-2, dim2=-1).mean(-1) + torch.finfo(covariance.dtype).tiny
        values, vectors = torch.linalg.eigh(covariance)
        values = values.clamp(min=0.0) + eps.unsqueeze(-1)
        return eps, (vectors * values.sqrt().unsqueeze(-2)) @ vectors.mT


@dataclass(frozen=True)
class Gaussian:
    """W₂² / (|mₛ|² + tr Kₛ): features of zero have the loss 1.

    Args:
        ridge: share of the style's mean variance that is added to both diagonals. Features in a subspace have a
            rank-deficient covariance, where the derivative of the root is infinite.
    """

    ridge: float = 1e-5

    def summarise(self, features: Tensor, weight: Tensor | None = None) -> Moments:
        """Moments of (N, C, H, W) feature maps, each pixel weighted by (1, 1, H, W)."""
        return Moments.of(features, weight, exact=True)

    def cost(self, channels: int) -> Cost:
        """The cost of the eigenvalues."""
        return Cost(products=_EIGENVALUES * channels**3)

    def distance(self, summary: Moments, target: Moments) -> Tensor:
        """(N,)."""
        ours, style = _wide(summary), _wide(target)
        eps, root = _root_of(target, self.ridge)
        ridge = eps.view(-1, 1, 1) * torch.eye(root.shape[-1], dtype=root.dtype, device=root.device)
        cross = _trace_of_root(root @ (ours.covariance + ridge) @ root, eps.square())
        spread = _trace(ours.covariance + ridge) + _trace(style.covariance + ridge) - 2.0 * cross
        means = (ours.mean - style.mean).square().sum(-1)
        energy = style.mean.square().sum(-1) + _trace(style.covariance)
        return ((means + spread) / energy).to(summary.first)


def _trace_of_root(a: Tensor, least: Tensor) -> Tensor:
    found: Tensor = _TraceOfRoot.apply(a, least)  # type: ignore[no-untyped-call]
    return found


def _trace(a: Tensor) -> Tensor:
    return a.diagonal(dim1=-2, dim2=-1).sum(-1)


def _wide(moments: Moments) -> Moments:
    """The moments in float64, since W₂² is a small difference of traces; on the CPU if the device has no float64."""
    return Moments(moments.count, exact(moments.first), exact(moments.second))
