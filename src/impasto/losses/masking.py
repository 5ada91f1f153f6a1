"""Masking for losses on complete feature maps: they use the features whose guide is at least half its maximum.

Sums over pixels can weight each feature (:mod:`impasto.losses.moments`). Losses that sort features, or search nearest
neighbours, cannot: they include a feature or exclude it.
"""

from __future__ import annotations

from torch import Tensor


def chosen(guide: Tensor) -> Tensor:
    """Flat indices, (P,), of the features whose guide is at least half the guide's maximum.

    Args:
        guide: (1, 1, H, W), the weight of each feature. The threshold is relative to the maximum, so that a region
            which is faint, or smaller than a receptive field, still selects features.
    """
    flat = guide.flatten()
    return (flat >= 0.5 * flat.max()).nonzero().squeeze(1)


def within(features: Tensor, guide: Tensor | None) -> Tensor:
    """(N, C, H, W) features or, with a guide, the selected ones as one row: (N, C, 1, P)."""
    if guide is None:
        return features
    return features.flatten(2).index_select(2, chosen(guide)).unsqueeze(2)
