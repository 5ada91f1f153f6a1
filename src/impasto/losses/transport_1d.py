"""Optimal transport in one dimension: the smallest value goes to the smallest, and so on in order.

For values and targets of equal number, Σ (v₍ᵢ₎ − t₍ᵢ₎)² over both in order is the squared 2-Wasserstein distance
(Bonneel, Rabin, Peyré and Pfister 2015, Sliced and Radon Wasserstein barycenters of measures, section 2). Where the
numbers differ the targets' quantiles are interpolated.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_AT_ONCE = 1 << 21  # values that are brought into order at a time
SORTING = 60e6 + 48.0 * _AT_ONCE
"""Bytes that bringing into order takes."""


class _SquaredDistance(torch.autograd.Function):
    """Of each row; the order held fixed, which is its exact derivative wherever no two values are equal."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, targets: Tensor) -> Tensor:
        off = torch.empty_like(values)
        rows = max(1, _AT_ONCE // values.shape[1])
        for first in range(0, len(values), rows):
            own = slice(first, first + rows)
            off[own] = values[own] - transported(values[own], targets[own])
        ctx.save_for_backward(off)
        return off.square().mean(-1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (off,) = ctx.saved_tensors
        return off * (grads[0] * 2.0 / off.shape[1]).unsqueeze(-1), None


def squared_distance(values: Tensor, targets: Tensor) -> Tensor:
    """W₂² of each row: (K,).

    Args:
        values: (K, P), in any order.
        targets: (K, Q), each row in ascending order.
    """
    found: Tensor = _SquaredDistance.apply(values, targets)  # type: ignore[no-untyped-call]
    return found


def transported(values: Tensor, targets: Tensor) -> Tensor:
    """Where each of (K, P) values goes; (K, Q) targets in ascending order."""
    return torch.empty_like(values).scatter_(-1, order(values), quantiles(targets, values.shape[-1]))


def quantiles(ordered: Tensor, count: int) -> Tensor:
    """(K, Q) values in ascending order as (K, count): at the middles of equal parts, interpolated."""
    if ordered.shape[-1] == count:
        return ordered
    found: Tensor = F.interpolate(ordered.unsqueeze(0), count, mode="linear", align_corners=False)[0]
    return found


def order(values: Tensor) -> Tensor:
    """Places of the (K, P) values in ascending order; of equal ones the first comes first."""
    if values.device.type != "cpu" or values.dtype != torch.float32 or values.shape[-1] >= 1 << 31:
        return values.sort(dim=-1, stable=True).indices
    # torch sorts pairs of value and place by comparing one by one. NumPy sorts integers five times as fast, so the
    # pairs are made into integers: above the value's bits, in an order that is the values', below the place.
    bits = values.contiguous().view(torch.int32)
    keys = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long() << 32
    keys |= torch.arange(values.shape[-1])
    keys.numpy().sort(-1)
    return keys.bitwise_and_(0xFFFFFFFF)
