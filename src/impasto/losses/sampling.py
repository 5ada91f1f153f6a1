"""What losses draw: the same for the same index, and nobody else's random numbers."""

from __future__ import annotations

import torch
from torch import Tensor


def sample(seed: int, index: int) -> torch.Generator:
    """The random numbers of one sample, at its beginning."""
    return torch.Generator().manual_seed((seed * 1_000_003 + index) % 2**63)


def grid(features: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """(N, C, H, W) as (N, P, C) at no more than ``most`` pixels: every so many, from a random one on."""
    height, width = features.shape[-2:]
    stride = 1
    while -(-height // stride) * -(-width // stride) > most:
        stride += 1
    top, left = (int(start) for start in torch.randint(stride, (2,), generator=generator))
    return features[..., min(top, height - 1) :: stride, min(left, width - 1) :: stride].flatten(2).mT
