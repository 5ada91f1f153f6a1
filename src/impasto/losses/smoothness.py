"""Total variation: how rough the picture itself is. Each works on (N, 3, H, W) in [0, 1] and gives (N,)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def _differences(image: Tensor) -> tuple[Tensor, Tensor]:
    """Horizontal and vertical forward differences, in the 0..255 steps the established tools count in."""
    return (
        255.0 * (image[..., :, 1:] - image[..., :, :-1]),
        255.0 * (image[..., 1:, :] - image[..., :-1, :]),
    )


def absolute_sum(image: Tensor) -> Tensor:
    """Σ |dx| + Σ |dy| in grey levels of 255 (neural-style, gordic, the seed)."""
    dx, dy = _differences(image)
    return dx.abs().sum((1, 2, 3)) + dy.abs().sum((1, 2, 3))


def absolute_mean(image: Tensor) -> Tensor:
    """½ (mean |dx| + mean |dy|) in grey levels of 255 (pastiche)."""
    dx, dy = _differences(image)
    return 0.5 * (dx.abs().mean((1, 2, 3)) + dy.abs().mean((1, 2, 3)))


def nine_point(image: Tensor) -> Tensor:
    """Mean squared differences to the eight neighbours, in [0, 1] units (style-transfer-pytorch's TVLoss).

    Straight neighbours count 1/3 and diagonal ones 1/12, which makes the sum nearly isotropic; the edge is
    repeated by one pixel. At the last row and column the straight ones are therefore 0, but counted.
    """
    x = F.pad(image, (1, 1, 1, 1), mode="replicate")
    right, below = x[..., 1:-1, 2:] - image, x[..., 2:, 1:-1] - image
    diagonals = x[..., 1:, 1:] - x[..., :-1, :-1], x[..., 1:, :-1] - x[..., :-1, 1:]
    straight = right.square().mean((1, 2, 3)) + below.square().mean((1, 2, 3))
    slanted = torch.stack([d.square().mean((1, 2, 3)) for d in diagonals]).sum(0)
    return 2.0 * (straight / 3.0 + slanted / 12.0)


SMOOTHNESS_LOSSES = {"absolute-sum": absolute_sum, "absolute-mean": absolute_mean, "nine-point": nine_point}
