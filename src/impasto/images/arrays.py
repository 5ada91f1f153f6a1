"""Pictures in memory: check arrays and tensors, and return samples (H, W, channels)."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch

from impasto.errors import ImageError
from impasto.images.alpha import flatten
from impasto.images.opening import check_size
from impasto.images.samples import Array, Floats, check_unit_range, to_unit_range

T = TypeVar("T", Array, torch.Tensor)

_CHANNELS = (1, 2, 3, 4)


def from_tensor(source: torch.Tensor, max_pixels: int, notes: list[str]) -> tuple[Array, Floats | None]:
    """(H, W), (C, H, W) or (1, C, H, W) -> as :func:`from_array`.

    Raises:
        ImageError: the tensor has no plain values, or the shape, type, size or range is wrong.
    """
    name = "<tensor>"
    for kind, found in (
        ("on the meta device, without values", source.is_meta),
        ("sparse: call its to_dense() first", source.layout != torch.strided),
        ("quantized: call its dequantize() first", source.is_quantized),
    ):
        if found:
            raise ImageError(f"{name}: expected a dense tensor, got one that is {kind}")
    shape = tuple(source.shape)
    planes = _single(name, shape, source.detach())
    planes = planes[None] if planes.ndim == 2 else planes
    if planes.ndim != 3 or planes.shape[0] not in _CHANNELS:
        hint = "; permute(2, 0, 1) makes it (C, H, W)" if planes.ndim == 3 and shape[-1] in _CHANNELS else ""
        raise ImageError(
            f"{name}: expected the shape (C, H, W) with C from 1 to 4, or (H, W), got {shape}{hint}"
        )
    values = planes.permute(1, 2, 0).cpu()
    if values.is_floating_point():
        values = values.float()  # NumPy has no bfloat16
    return _checked(name, values.resolve_conj().resolve_neg().numpy(), max_pixels, notes)


def from_array(source: Array, max_pixels: int, notes: list[str]) -> tuple[Array, Floats | None]:
    """(H, W), (H, W, C) or (1, H, W, C) -> (H, W, 1) or (H, W, 3) with a background, and alpha (H, W) or None.

    One channel is grey, two are grey and alpha, three RGB, four RGB and alpha.

    Args:
        notes: a line is added if the array is transparent.

    Raises:
        ImageError: the shape, type, size or range is wrong, or the array is a masked one.
    """
    name = "<array>"
    if isinstance(source, np.ma.MaskedArray):
        raise ImageError(f"{name}: expected a plain array, got a masked array: call its filled() first")
    plain = np.asarray(source)  # np.matrix stays two-dimensional whatever is done with it
    values = _single(name, plain.shape, plain)
    values = values[:, :, None] if values.ndim == 2 else values
    if values.ndim != 3 or values.shape[2] not in _CHANNELS:
        planes = plain.ndim == 3 and plain.shape[0] in _CHANNELS
        hint = "; transpose(1, 2, 0) makes it (H, W, C)" if planes else ""
        raise ImageError(
            f"{name}: expected the shape (H, W) or (H, W, C) with C from 1 to 4, got {plain.shape}{hint}"
        )
    return _checked(name, values, max_pixels, notes)


def _single(name: str, shape: tuple[int, ...], values: T) -> T:
    """The one picture of a batch; ``values`` themselves where they are no batch."""
    if len(shape) != 4:
        return values
    if shape[0] != 1:
        raise ImageError(
            f"{name}: expected one picture, got a batch of {shape[0]}, {shape}: give them one by one"
        )
    single: T = values[0]
    return single


def _checked(name: str, values: Array, max_pixels: int, notes: list[str]) -> tuple[Array, Floats | None]:
    """(H, W, C) of any type -> uint8, uint16 or float in [0, 1], flattened, and alpha."""
    check_size(name, values.shape[1], values.shape[0], max_pixels)
    if values.dtype.kind == "f":
        check_unit_range(name, values)
    elif values.dtype.kind == "b":
        values = values.astype(np.uint8) * np.uint8(255)
    elif values.dtype.kind not in "iu":
        raise ImageError(f"{name}: expected whole numbers, float or bool values, got {values.dtype}")
    elif values.dtype.itemsize > 2 or values.dtype.kind == "i":
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 255:
            raise ImageError(f"{name}: expected {values.dtype} values in 0 to 255, got {low} to {high}")
        values = values.astype(np.uint8)
    if values.shape[2] % 2:
        return values, None
    return flatten(values[:, :, :-1], to_unit_range(values[:, :, -1]), notes)
