"""Random samples of losses: the same for the same seed and index, independent of torch's global generator."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.losses.masking import within


def sample(seed: int, index: int) -> torch.Generator:
    """A new generator for the sample with that index."""
    return torch.Generator().manual_seed((seed * 1_000_003 + index) % 2**63)


def grid(features: Tensor, max_pixels: int, generator: torch.Generator) -> Tensor:
    """(N, C, H, W) as (N, P, C), at most ``max_pixels`` pixels: a regular grid with a random offset."""
    height, width = features.shape[-2:]
    stride = 1
    while -(-height // stride) * -(-width // stride) > max_pixels:
        stride += 1
    top, left = (int(start) for start in torch.randint(stride, (2,), generator=generator))
    return features[..., min(top, height - 1) :: stride, min(left, width - 1) :: stride].flatten(2).mT


@dataclass(frozen=True)
class SampledLoss:
    """What losses share that look at a random sample of pixels or directions, another one for each sample index.

    Args:
        seed: random seed of the samples.
    """

    seed: int = 0

    draws = True

    def make_target(self, features: Tensor, guide: Tensor | None = None) -> Tensor:
        """The features themselves, since each sample uses others of them."""
        return within(features, guide)
