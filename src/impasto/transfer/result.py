"""The result of a style transfer: the picture, its losses, its recipe, and figures of the run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from impasto import images
from impasto.recipes.recipe import Recipe


@dataclass(frozen=True)
class Result:
    """A finished picture.

    Attributes:
        image: (1, 3, H, W), RGB in [0, 1]; (1, 4, H, W) where the photograph has alpha.
        recipe: all settings, for reproducing the picture.
        loss, losses: the total loss and its weighted terms for the saved picture, in 8 bits.
        steps: iterations done.
        seconds: by phase: "read", "network", "strength" (if one was measured), "paint" and "total".
        device, precision: used for the computation.
        peak_memory: peak memory so far, in bytes: of the process on a CPU, of PyTorch's allocator on a GPU.
        notes: conversions of the pictures, and actions of the watchdog, one line each.
        stopped: whether the run ended before its last iteration.
    """

    image: Tensor
    recipe: Recipe
    loss: float
    losses: Mapping[str, float]
    steps: int
    seconds: Mapping[str, float]
    device: str
    precision: str
    peak_memory: int
    notes: tuple[str, ...]
    stopped: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.image.shape[-1], self.image.shape[-2]

    def to_array(self) -> np.ndarray[Any, Any]:
        """(H, W, 3) uint8, or (H, W, 4) with alpha."""
        rounded = (self.image[0] * 255.0).round().clamp(0, 255).to(torch.uint8)
        return np.asarray(rounded.permute(1, 2, 0).cpu().numpy())

    def to_pil(self) -> PIL.Image.Image:
        """The picture as a PIL image."""
        return PIL.Image.fromarray(self.to_array())

    def save(self, path: str | os.PathLike[str], *, bits: Literal[8, 16] = 8) -> Path:
        """Write PNG, JPEG, WebP or TIFF by suffix, with the recipe embedded; atomically.

        Raises:
            ParameterError: another suffix, or 16 bits where the format has only 8.
            OutputError: the file cannot be written.
        """
        images.write(path, self.image, bits=bits, metadata=self.recipe.to_toml())
        return Path(path)
