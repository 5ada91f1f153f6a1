"""Content losses: squared differences of feature maps (Gatys, Ecker, Bethge 2015, arXiv:1508.06576, equation 1)."""

from __future__ import annotations

from torch import Tensor


def half_sum(features: Tensor, target: Tensor) -> Tensor:
    """½ Σ (F − P)², the paper's equation 1.

    Args:
        features, target: (N, C, H, W).

    Returns:
        (N,), at least float32.
    """
    difference = features.float() - target.float() if features.dtype.itemsize < 4 else features - target
    return 0.5 * difference.square().sum((1, 2, 3))


def mean(features: Tensor, target: Tensor) -> Tensor:
    """The mean of (F − P)² over channels and pixels; arguments and result as :func:`half_sum`."""
    return half_sum(features, target) * (2.0 / features[0].numel())


def share(features: Tensor, target: Tensor) -> Tensor:
    """Σ (F − P)² / Σ P²: 1 is as far off as features of zero; arguments and result as :func:`half_sum`."""
    return 2.0 * half_sum(features, target) / target.float().square().sum((1, 2, 3))


CONTENT_LOSSES = {"mean": mean, "half-sum": half_sum, "share": share}
