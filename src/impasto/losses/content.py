"""Content losses: squared differences of feature maps (Gatys, Ecker, Bethge 2015, arXiv:1508.06576, equation 1)."""

from __future__ import annotations

import torch
from torch import Tensor


def half_sum(features: Tensor, target: Tensor) -> Tensor:
    """½ Σ (F − P)², the paper's equation 1.

    Args:
        features, target: (N, C, H, W).

    Returns:
        (N,), at least float32.
    """
    return 0.5 * (_wide(features) - _wide(target)).square().sum((1, 2, 3))


def mean(features: Tensor, target: Tensor) -> Tensor:
    """The mean of (F − P)² over channels and pixels; arguments and result as :func:`half_sum`."""
    return half_sum(features, target) * (2.0 / features[0].numel())


def share(features: Tensor, target: Tensor) -> Tensor:
    """Σ (F − P)² / Σ P²: 1 is as far off as features of zero; arguments and result as :func:`half_sum`."""
    return 2.0 * half_sum(features, target) / _wide(target).square().sum((1, 2, 3))


def _wide(x: Tensor) -> Tensor:
    # At least float32: sums over 10^6 squares do not fit the 8 bits of bfloat16.
    return x.to(torch.promote_types(x.dtype, torch.float32))


CONTENT_LOSSES = {"mean": mean, "half-sum": half_sum, "share": share}
