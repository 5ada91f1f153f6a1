"""The result of a style transfer: the picture, its losses, its recipe, and figures of the run."""

from __future__ import annotations

import io
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
from impasto.errors import ParameterError
from impasto.recipes.recipe import Recipe


@dataclass(frozen=True, repr=False)
class Result:
    """A finished picture.

    Attributes:
        image: (1, 3, H, W), RGB in [0, 1]; (1, 4, H, W) where the photograph has alpha.
        recipe: all settings, for reproducing the picture.
        loss, losses: the total loss and its weighted terms for the saved picture, in 8 bits.
        last_loss: the total loss of the last iteration, for the working picture: not rounded, with its margin.
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
    last_loss: float
    stopped: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.image.shape[-1], self.image.shape[-2]

    def to_array(self, *, channels: Literal["rgb", "bgr"] = "rgb") -> np.ndarray[Any, Any]:
        """The picture as (H, W, 3) uint8, or (H, W, 4) with alpha, C-contiguous.

        Args:
            channels: the order of the colours; "bgr" for OpenCV. Alpha stays last.

        Raises:
            ParameterError: another order.
        """
        if channels not in ("rgb", "bgr"):
            raise ParameterError(f"channels: expected rgb or bgr, got {channels!r}")
        rounded = (self.image[0] * 255.0).round().clamp(0, 255).to(torch.uint8)
        values = rounded.permute(1, 2, 0).cpu().numpy()
        if channels == "bgr":
            values = values[:, :, [2, 1, 0, *range(3, values.shape[2])]]
        return np.ascontiguousarray(values)

    def to_pil(self) -> PIL.Image.Image:
        """The picture as a PIL image."""
        return PIL.Image.fromarray(self.to_array())

    def show(self) -> None:
        """Show the picture in the system's viewer."""
        self.to_pil().show()

    def _repr_png_(self) -> bytes:
        """The picture, for notebooks."""
        buffer = io.BytesIO()
        self.to_pil().save(buffer, format="PNG")
        return buffer.getvalue()

    def __repr__(self) -> str:
        width, height = self.size
        stopped = ", stopped" if self.stopped else ""
        return (
            f"<Result {width}x{height}, {self.steps} steps, loss {self.loss:.4g}, "
            f"{self.seconds['total']:.1f} s on {self.device} in {self.precision}{stopped}>"
        )

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        bits: Literal[8, 16] = 8,
        quality: int | None = None,
        compression: int | None = None,
        recipe: bool = True,
    ) -> Path:
        """Write PNG, JPEG, WebP, TIFF, GIF or BMP by suffix, atomically. An existing file is replaced.

        Args:
            bits: per channel; 16 for PNG and TIFF.
            quality: 1 to 100, of JPEG and WebP; 95 by default.
            compression: 0 to 9, of PNG and TIFF; 6 by default.
            recipe: embed the recipe, without absolute paths. BMP has no place for it.

        Raises:
            ParameterError: another suffix, or a property that the format does not have.
            OutputError: the file cannot be written.
        """
        metadata = self.recipe.to_metadata() if recipe else None
        images.write(path, self.image, bits=bits, metadata=metadata, quality=quality, compression=compression)
        return Path(path)
