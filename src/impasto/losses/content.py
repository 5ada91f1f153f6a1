"""Content losses: squared differences of feature maps (Gatys, Ecker, Bethge 2015, arXiv:1508.06576, equation 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class SquaredError:
    """Σ (F − P)², divided: a sum over pixels, so that pieces add up to the whole.

    Args:
        divide: "two" is the paper's equation 1; "elements" makes it the mean; "energy" divides by Σ P², so that 1 is
            as far off as features of zero.
    """

    divide: Literal["two", "elements", "energy"]

    def __call__(self, features: Tensor, target: Tensor) -> Tensor:
        """(N,), at least float32, of (N, C, H, W) each."""
        return self.scale(target[0].numel(), energy(target)) * energy(_wide(features) - _wide(target))

    def scale(self, elements: int, energy: Tensor) -> Tensor | float:
        """What Σ (F − P)² is multiplied by, for a target of so many elements a picture and that energy (N,)."""
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
    # At least float32: sums over 10^6 squares do not fit the 8 bits of bfloat16.
    return x.to(torch.promote_types(x.dtype, torch.float32))


half_sum = SquaredError("two")
mean = SquaredError("elements")
share = SquaredError("energy")
