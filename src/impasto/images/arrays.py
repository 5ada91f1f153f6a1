"""Pictures in memory: check arrays and tensors, and return samples (H, W, channels)."""

from __future__ import annotations

import numpy as np
import torch

from impasto.errors import ImageError
from impasto.images.alpha import flatten
from impasto.images.opening import check_size
from impasto.images.samples import Array, Floats, check_unit_range, to_unit_range


def from_tensor(source: torch.Tensor, max_pixels: int) -> Array:
    """(3, H, W) or (1, 3, H, W) -> (H, W, 3), uint8 or float32 in [0, 1].

    Raises:
        ImageError: the shape, type, size or range is wrong.
    """
    shape = tuple(source.shape)
    planes = source.detach()[0] if source.ndim == 4 and shape[0] == 1 else source.detach()
    if planes.ndim != 3 or planes.shape[0] != 3:
        raise ImageError(f"<tensor>: expected the shape (3, H, W) or (1, 3, H, W), got {shape}")
    check_size("<tensor>", planes.shape[2], planes.shape[1], max_pixels)
    if source.dtype != torch.uint8 and not source.is_floating_point():
        raise ImageError(f"<tensor>: expected float values in [0, 1] or uint8, got {source.dtype}")
    planes = planes.permute(1, 2, 0).cpu()
    if source.dtype == torch.uint8:
        return np.asarray(planes)
    values = np.asarray(planes.float())
    check_unit_range("<tensor>", values)
    return values


def from_array(source: Array, max_pixels: int, notes: list[str]) -> tuple[Array, Floats | None]:
    """(H, W), (H, W, 1), (H, W, 3) or (H, W, 4) -> (H, W, 1) or (H, W, 3) on white, and alpha (H, W) or None.

    Args:
        notes: a line is added if the array is transparent.

    Raises:
        ImageError: the shape, type, size or range is wrong.
    """
    values = source[:, :, None] if source.ndim == 2 else source
    if values.ndim != 3 or values.shape[2] not in (1, 3, 4):
        expected = "(H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
        raise ImageError(f"<array>: expected the shape {expected}, got {source.shape}")
    check_size("<array>", values.shape[1], values.shape[0], max_pixels)
    if source.dtype.kind == "f":
        check_unit_range("<array>", values)
    elif source.dtype.kind != "u" or source.dtype.itemsize > 2:
        raise ImageError(f"<array>: expected uint8, uint16 or float values, got {source.dtype}")
    if values.shape[2] == 4:
        return flatten(values[:, :, :3], to_unit_range(values[:, :, 3]), notes)
    return values, None
