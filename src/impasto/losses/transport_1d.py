"""Optimal transport in one dimension: the i-th smallest value goes to the i-th smallest target.

For equally many values and targets, Σ (v₍ᵢ₎ − t₍ᵢ₎)² over both in ascending order is the squared 2-Wasserstein
distance (Bonneel, Rabin, Peyré and Pfister 2015, Sliced and Radon Wasserstein barycenters of measures, section 2). If
the numbers differ, quantiles of the targets are interpolated.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_AT_ONCE = 1 << 21  # values that are sorted at a time
SORTING = 60e6 + 48.0 * _AT_ONCE
"""Memory of sorting, in bytes."""


class _SquaredDistance(torch.autograd.Function):
    """W₂² of each row. The derivative treats the order as constant: exact wherever no two values are equal."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, targets: Tensor) -> Tensor:
        difference = torch.empty_like(values)
        rows = max(1, _AT_ONCE // values.shape[1])
        for first in range(0, len(values), rows):
            band = slice(first, first + rows)
            difference[band] = values[band] - transported(values[band], targets[band])
        ctx.save_for_backward(difference)
        return difference.square().mean(-1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (difference,) = ctx.saved_tensors
        return difference * (grads[0] * 2.0 / difference.shape[1]).unsqueeze(-1), None


def squared_distance(values: Tensor, targets: Tensor) -> Tensor:
    """W₂² of each row: (K,).

    Args:
        values: (K, P), in any order.
        targets: (K, Q), each row in ascending order.
    """
    found: Tensor = _SquaredDistance.apply(values, targets)  # type: ignore[no-untyped-call]
    return found


def transported(values: Tensor, targets: Tensor) -> Tensor:
    """(K, P): the target of each of the (K, P) values; (K, Q) targets in ascending order."""
    return torch.empty_like(values).scatter_(-1, order(values), quantiles(targets, values.shape[-1]))


def quantiles(ordered: Tensor, count: int) -> Tensor:
    """(K, Q) values in ascending order -> (K, count) quantiles at the midpoints of equal parts, interpolated."""
    if ordered.shape[-1] == count:
        return ordered
    found: Tensor = F.interpolate(ordered.unsqueeze(0), count, mode="linear", align_corners=False)[0]
    return found


def order(values: Tensor) -> Tensor:
    """The indices that sort the (K, P) values in ascending order; the sort is stable."""
    if values.device.type != "cpu" or values.dtype != torch.float32 or values.shape[-1] >= 1 << 31:
        return values.sort(dim=-1, stable=True).indices
    # torch sorts pairs of value and index by comparisons. NumPy sorts integers five times as fast, so each pair is
    # packed into one integer: the value's bits in the high half, mapped so that they sort as the values do, and the
    # index in the low half.
    bits = values.contiguous().view(torch.int32)
    keys = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long() << 32
    keys |= torch.arange(values.shape[-1])
    keys.numpy().sort(-1)
    return keys.bitwise_and_(0xFFFFFFFF)
