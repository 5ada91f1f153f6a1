"""Random colour augmentation, independent for each picture, on the pictures' device."""

from __future__ import annotations

import torch
from torch import Tensor


def jittered(pictures: Tensor, generator: torch.Generator, *, amount: float) -> Tensor:
    """Brightness, contrast and saturation changed randomly by up to ``amount`` each; values clamped to [0, 1].

    Args:
        pictures: (N, 3, H, W) in [0, 1].
    """
    random = torch.rand(3, len(pictures), 1, 1, 1, generator=generator, device=pictures.device)
    brightness, contrast, saturation = (2 * random - 1) * amount
    grey = pictures.mean(1, keepdim=True)
    middle = grey.mean((2, 3), keepdim=True)
    pictures = grey + (pictures - grey) * (1 + 1.5 * saturation)
    changed: Tensor = middle + (pictures - middle) * (1 + contrast) + 0.5 * brightness
    return changed.clamp(0.0, 1.0)


def recolored(pictures: Tensor, generator: torch.Generator, *, swapped: float, inverted: float) -> Tensor:
    """Colour channels permuted and colours inverted at random, so that a few hundred styles have many palettes.

    Args:
        pictures: (N, 3, H, W) in [0, 1].
        swapped: probability that red, green and blue are permuted.
        inverted: probability that a picture is inverted.
    """
    device = pictures.device
    random = torch.rand(5, len(pictures), generator=generator, device=device)
    order = torch.where(
        (random[3] < swapped)[:, None], random[:3].T.argsort(1), torch.arange(3, device=device)
    )
    rows = torch.arange(len(pictures), device=device)[:, None]
    pictures = pictures[rows, order]
    return torch.where((random[4] < inverted)[:, None, None, None], 1.0 - pictures, pictures)
