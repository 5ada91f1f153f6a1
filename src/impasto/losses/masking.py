"""Where a loss of whole maps looks: at the features that lie within a guide by more than half.

Sums over pixels can weigh each of them (:mod:`impasto.losses.moments`). What is brought into order, or looks for
neighbours, takes a feature or leaves it.
"""

from __future__ import annotations

from torch import Tensor


def chosen(guide: Tensor) -> Tensor:
    """The places that count, (P,) of all in rows: those of at least half the most that the guide has anywhere.

    Args:
        guide: (1, 1, H, W), how much each feature counts. Half the most and not one half, so that a region which is
            faint, or smaller than what a feature sees, has places too.
    """
    flat = guide.flatten()
    return (flat >= 0.5 * flat.max()).nonzero().squeeze(1)


def within(features: Tensor, guide: Tensor | None) -> Tensor:
    """(N, C, H, W), or those of its pixels that count, in one row: (N, C, 1, P)."""
    if guide is None:
        return features
    return features.flatten(2).index_select(2, chosen(guide)).unsqueeze(2)
