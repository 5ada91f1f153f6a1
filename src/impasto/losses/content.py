"""Content losses: squared differences of feature maps (Gatys, Ecker, Bethge 2015, arXiv:1508.06576, equation 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class SquaredError:
    """Σ (F − P)², divided. It is a sum over pixels, so the sums of tiles add up to that of the picture.

    Args:
        divide: the divisor. "two" gives the paper's equation 1; "elements" gives the mean; "energy" divides by Σ P²,
            so that features of zero have the loss 1.
    """

    divide: Literal["two", "elements", "energy"]

    def __call__(self, features: Tensor, target: Tensor) -> Tensor:
        """(N,), at least float32, of (N, C, H, W) each."""
        return self.scale(target[0].numel(), energy(target)) * energy(_wide(features) - _wide(target))

    def scale(self, elements: int, energy: Tensor) -> Tensor | float:
        """The factor of Σ (F − P)², for a target with that many elements per picture and that energy (N,)."""
        match self.divide:
            case "two":
                return 0.5
            case "elements":
                return 1.0 / elements
            case "energy":
                return 1.0 / energy


def energy(features: Tensor) -> Tensor:
    """Σ F², (N,), at least float32."""
    return _wide(features).square().sum((1, 2, 3))


def _wide(x: Tensor) -> Tensor:
    # At least float32: the 8-bit significand of bfloat16 is too short for sums of 10^6 squares.
    return x.to(torch.promote_types(x.dtype, torch.float32))


half_sum = SquaredError("two")
mean = SquaredError("elements")
share = SquaredError("energy")
