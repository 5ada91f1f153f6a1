"""The squared 2-Wasserstein distance between Gaussians of feature maps, as style-transfer-pytorch computes it.

W₂² = |m₁ − m₂|² + tr(K₁ + K₂ − 2 (K₂^½ K₁ K₂^½)^½), divided by the number of channels. The matrix square roots are
computed with exactly twelve Newton-Schulz steps, which do not converge for covariances of VGG features. So the loss
is this expression, on photographs 0.2 to 11 % larger than the exact W₂².
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from impasto.losses.cost import Cost
from impasto.losses.moments import Moments

_STEPS = 12


class _NewtonSchulzRoot(torch.autograd.Function):
    """Coupled Newton-Schulz iteration Y → A^½ (Higham 2008, Functions of Matrices, equation 6.35).

    The backward pass does not differentiate the loop. It takes twelve steps of its own towards the solution of the
    Lyapunov equation S X + X S = dS (Lin and Maji 2017, arXiv:1707.06772, section 3).
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        norm: Tensor = torch.linalg.matrix_norm(a, keepdim=True)
        eye = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
        y, z = a / norm, eye.expand_as(a)
        for _ in range(_STEPS):
            t = (3.0 * eye - z @ y) / 2.0
            y, z = y @ t, t @ z
        root = y * norm.sqrt()
        ctx.save_for_backward(root)
        return root

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        root: Tensor
        (root,) = ctx.saved_tensors
        norm: Tensor = torch.linalg.matrix_norm(root, keepdim=True)
        eye = torch.eye(root.shape[-1], dtype=root.dtype, device=root.device)
        a, q = root / norm, grads[0] / norm
        for step in range(_STEPS):
            e = 3.0 * eye - a @ a
            q = (q @ e - a.mT @ (a.mT @ q - q @ a)) / 2.0
            if step < _STEPS - 1:
                a = a @ e / 2.0
        return q / 2.0


def newton_schulz_root(a: Tensor) -> Tensor:
    """Twelve-step approximation of the square root of symmetric positive definite (…, C, C) matrices."""
    root: Tensor = _NewtonSchulzRoot.apply(a)  # type: ignore[no-untyped-call]
    return root


def _ridged(moments: Moments, eps: float) -> Tensor:
    covariance = moments.covariance
    return covariance + eps * torch.eye(
        covariance.shape[-1], dtype=covariance.dtype, device=covariance.device
    )


@lru_cache(maxsize=16)
def _root_of(target: Moments, eps: float) -> Tensor:
    """K₂^½, cached: each target is used hundreds of times."""
    with torch.no_grad():
        return newton_schulz_root(_ridged(target, eps))


@dataclass(frozen=True)
class NewtonSchulzWasserstein:
    """The unconverged W₂² of style-transfer-pytorch; ``eps`` is added to the covariances' diagonals."""

    eps: float = 1e-4

    def summarise(self, features: Tensor, weight: Tensor | None = None) -> Moments:
        """Moments of (N, C, H, W) feature maps, each pixel weighted by (1, 1, H, W)."""
        # Newton-Schulz diverges where a covariance has an eigenvalue clearly below zero.
        return Moments.of(features, weight, exact=True)

    def cost(self, channels: int) -> Cost:
        """Three products of C × C matrices per step, and twice as many in the backward pass."""
        return Cost(products=_STEPS * 3 * 3 * channels**3)

    def distance(self, summary: Moments, target: Moments) -> Tensor:
        """(N,): W₂² / C."""
        k, ks = _ridged(summary, self.eps), _ridged(target, self.eps)
        r = _root_of(target, self.eps)
        cross = newton_schulz_root(r @ k @ r)
        means = (summary.mean - target.mean).square().mean(-1)
        return means + (ks + k - 2.0 * cross).diagonal(dim1=-2, dim2=-1).mean(-1)
