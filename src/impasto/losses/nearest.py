"""Nearest neighbours by the cosine similarity of feature vectors, in bands, without a matrix of all pairs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_AT_ONCE = 1 << 22  # similarities in memory at a time
SEARCHING = 30e6 + 4.0 * 4 * _AT_ONCE
"""Memory of the search in bytes, without the vectors."""


@torch.no_grad()
def nearest(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """For each row of ``a`` the index of the most similar row of ``b``, and the reverse: (P,), (Q,).

    Args:
        a, b: (P, C) and (Q, C) vectors, compared by cosine similarity; the first of equally similar rows is taken.
    """
    a, b = _directions(a), _directions(b)
    of_a = torch.empty(len(a), dtype=torch.long, device=a.device)
    best = torch.full((len(b),), -torch.inf, dtype=_wide(a.dtype), device=a.device)
    of_b = torch.zeros(len(b), dtype=torch.long, device=a.device)
    rows = max(1, _AT_ONCE // len(b))
    for first in range(0, len(a), rows):
        similar = _similarities(a[first : first + rows], b)
        of_a[first : first + rows] = similar.argmax(1)
        high, where = similar.max(0)
        better = high > best
        best = torch.where(better, high, best)
        of_b = torch.where(better, where + first, of_b)
    return of_a, of_b


def _directions(x: Tensor) -> Tensor:
    return F.normalize(x.to(_wide(x.dtype)), dim=1).to(x.dtype)


def _similarities(a: Tensor, b: Tensor) -> Tensor:
    """a bᵀ, at least in float32."""
    if a.dtype.itemsize >= 4:
        return a @ b.mT
    # Products of bfloat16 take a quarter of the time, but their results have 8 significant bits, so many neighbours
    # would be equally similar. Eight products over an eighth of the channels, summed in float32, are 0.04 % off.
    parts = zip(a.tensor_split(8, 1), b.tensor_split(8, 1), strict=True)
    first, *others = [(part_a @ part_b.mT).float() for part_a, part_b in parts]
    for other in others:
        first += other
    return first


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)
