"""Feature maps that loss tests share: rectified noise in float64, without values that are equal but zeros."""

from __future__ import annotations

import torch
from torch import Tensor


def features(*shape: int, seed: int = 0, negative: float = 0.0) -> Tensor:
    """Uniform in [-negative, 1], cut off below 0."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(*shape, dtype=torch.float64, generator=generator)
    return (values * (1.0 + negative) - negative).clamp(min=0.0)


def shuffled(f: Tensor, seed: int = 0) -> Tensor:
    """(N, C, H, W) with its pixels in another order."""
    order = torch.randperm(f.shape[-1] * f.shape[-2], generator=torch.Generator().manual_seed(seed))
    return f.flatten(2)[..., order].view(f.shape)
