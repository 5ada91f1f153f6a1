"""Pictures in a device's memory, and batches of random crops: no decoding and no transfer during training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.errors import ParameterError
from impasto.feedforward.training.archive import Picture


@dataclass(frozen=True, eq=False)  # compared by identity: == of tensors is elementwise
class Pool:
    """Pictures of any sizes, each on its own canvas, with the probability of each.

    Attributes:
        canvases: (M, 3, S, S) uint8, with the picture at the top left.
        sizes: (M, 2), height and width in pixels.
        cumulative: (M,), the cumulative probabilities.
    """

    canvases: Tensor
    sizes: Tensor
    cumulative: Tensor

    @classmethod
    def of(
        cls, pictures: Sequence[Picture], shares: Sequence[float], *, device: torch.device | str = "cpu"
    ) -> Self:
        """A pool of (H, W, 3) uint8 pictures.

        Args:
            shares: relative probability of each picture; not all 0.

        Raises:
            ParameterError: ``pictures`` is empty.
        """
        if not pictures:
            raise ParameterError("pictures to train on: expected at least one, got none")
        side = max(max(picture.shape[:2]) for picture in pictures)
        canvases = torch.zeros(len(pictures), 3, side, side, dtype=torch.uint8)
        for canvas, picture in zip(canvases, pictures, strict=True):
            height, width = picture.shape[:2]
            canvas[:, :height, :width] = torch.tensor(picture).permute(2, 0, 1)
        sizes = torch.tensor([picture.shape[:2] for picture in pictures], dtype=torch.float32)
        return cls(canvases.to(device), sizes.to(device), cumulative(shares).to(device))

    def draw(
        self,
        count: int,
        size: int,
        generator: torch.Generator,
        *,
        least: float,
        turned: bool = False,
    ) -> Tensor:
        """Random square crops, mirrored with probability 1/2.

        Args:
            count: number of crops.
            size: side in pixels.
            generator: on the pool's device.
            least: the smallest crop's side, as a share of its picture's shorter side; the largest share is 1.
            turned: also transpose crops, with probability 1/2.

        Returns:
            (count, 3, size, size) float32 in [0, 1].
        """
        device = self.canvases.device
        random = torch.rand(6, count, generator=generator, device=device)
        index = torch.searchsorted(self.cumulative, random[0]).clamp(max=len(self.sizes) - 1)
        extent = self.sizes[index]
        side = extent.amin(1) * (least + (1 - least) * random[1])
        top, left = ((extent[:, axis] - side) * random[2 + axis] for axis in (0, 1))
        # From the crop's coordinates (-1 … 1) to the canvas's: x = middle ± half · u, or ± half · v where turned.
        canvas = self.canvases.shape[-1]
        half = side / canvas
        middle = [2 * (corner + side / 2) / canvas - 1 for corner in (left, top)]
        across = torch.where(random[4] < 0.5, -half, half)
        zero = torch.zeros_like(half)
        straight = torch.stack([across, zero, middle[0], zero, half, middle[1]], 1)
        sideways = torch.stack([zero, across, middle[0], half, zero, middle[1]], 1)
        chosen = torch.where(((random[5] < 0.5) & turned)[:, None], sideways, straight)
        # Sampling at twice the size, then 2×2 average pooling: crops larger than ``size`` do not alias.
        grid = F.affine_grid(chosen.view(count, 2, 3), [count, 3, 2 * size, 2 * size], align_corners=False)
        pixels = self.canvases[index].float() / 255.0
        sampled = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return F.avg_pool2d(sampled, 2)


def cumulative(shares: Sequence[float]) -> Tensor:
    """Cumulative probabilities, the last one 1."""
    added = torch.tensor(shares, dtype=torch.float64).cumsum(0)
    return (added / added[-1]).float()


def vividness(picture: Picture) -> float:
    """Colourfulness and contrast of a picture, 0 to about 2.

    Colourfulness after Hasler and Süsstrunk 2003 (Measuring colourfulness in natural images, equation 3), divided by
    its value for "quite colourful", plus the standard deviation of brightness divided by that of
    uniformly distributed greys.
    """
    sample = picture[::4, ::4].astype(np.float32).reshape(-1, 3)
    red, green, blue = sample.T
    first, second = red - green, (red + green) / 2 - blue
    spread = math.hypot(float(first.std()), float(second.std()))
    colourfulness = spread + 0.3 * math.hypot(float(first.mean()), float(second.mean()))
    return colourfulness / 82.0 + float(sample.mean(1).std()) / 74.0
