"""Start pictures: Gaussian noise."""

from __future__ import annotations

import torch
from torch import Tensor

from impasto.geometry import Size


def noise(
    size: Size, *, centre: tuple[float, float, float], deviation: float, generator: torch.Generator
) -> Tensor:
    """Gaussian noise (1, 3, height, width) around a colour; values may leave [0, 1].

    Args:
        centre: the mean colour, RGB in [0, 1].
        deviation: standard deviation, in the same unit.
        generator: source of the random numbers; its seed makes the noise repeatable.
    """
    values = torch.randn(1, 3, *size, generator=generator)
    return torch.tensor(centre).view(1, 3, 1, 1) + deviation * values
