"""Read any picture into a (1, 3, H, W) float32 tensor of sRGB values in [0, 1], with notes on conversions.

The steps, always in this order: check the size in the header, decode the first frame, convert colours from the
embedded profile, keep 16 bits where possible, turn upright, composite transparent pixels over white.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from impasto.errors import ImageError
from impasto.images import large
from impasto.images.arrays import from_array, from_tensor
from impasto.images.decoding import decode
from impasto.images.opening import MAX_PIXELS, check_size, file_bytes, guarded, open_header
from impasto.images.samples import Array, Floats, to_planes
from impasto.text import display_name

Source = str | os.PathLike[str] | Image.Image | Array | torch.Tensor
"""A picture: a path, a PIL image, an array (H, W[, C]) or a tensor (3, H, W) or (1, 3, H, W)."""


@dataclass(frozen=True)
class Picture:
    """A picture as read.

    Attributes:
        pixels: (1, 3, H, W) float32, sRGB in [0, 1], contiguous, on the CPU, without gradient.
        name: the file's base name, or ``<image>``, ``<array>``, ``<tensor>`` for a picture in memory.
        sha256: of the file's bytes; for a picture in memory, of the height, the width and the pixels.
        notes: conversions and problems, one short line each.
        alpha: (1, 1, H, W) float32 in [0, 1], 0 where the picture is fully transparent; None if all is opaque.
    """

    pixels: torch.Tensor
    name: str
    sha256: str
    notes: tuple[str, ...]
    alpha: torch.Tensor | None = None


def read(
    source: Source,
    *,
    max_pixels: int = MAX_PIXELS,
) -> Picture:
    """Read a picture from a file or from memory. The source is never changed.

    Args:
        source: a path; a Pillow image; an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), uint8, uint16 or
            float in [0, 1]; or a tensor (3, H, W) or (1, 3, H, W), uint8 or float in [0, 1].
        max_pixels: the largest width x height accepted, checked before decoding.

    Raises:
        ImageError: the picture cannot be read, is damaged, has no pixels or more than ``max_pixels``,
            or has values that are not finite or are outside the range.
        MissingExtraError: the file is HEIC and ``pillow-heif`` is not installed.
    """
    if isinstance(source, torch.Tensor):
        return _in_memory("<tensor>", from_tensor(source, max_pixels), [])
    if isinstance(source, np.ndarray):
        notes: list[str] = []
        values, alpha = from_array(source, max_pixels, notes)
        return _in_memory("<array>", values, notes, alpha)
    if isinstance(source, Image.Image):
        notes = []
        with guarded("<image>", max_pixels=max_pixels) as warned:
            check_size("<image>", *source.size, max_pixels)
            pixels, alpha = decode(source, None, "<image>", notes)
        return _in_memory("<image>", pixels, [*notes, *(f"decoder warned: {w}" for w in warned)], alpha)
    if isinstance(source, (str, os.PathLike)):
        return _from_file(source, max_pixels)
    raise ImageError(  # callers are not all type-checked
        f"expected a path, a Pillow image, an array or a tensor, got {type(source).__name__}"
    )


def _from_file(path: str | os.PathLike[str], max_pixels: int) -> Picture:
    name = display_name(path)
    notes: list[str] = []
    if large.is_large_tiff(path):
        if large.available():
            if found := large.read_tiff(path, name, max_pixels=max_pixels):
                planes, alpha, digest, notes = found
                return Picture(torch.from_numpy(planes[None]), name, digest, tuple(notes), _plane(alpha))
        else:
            notes.append("a large TIFF: pip install 'impasto[large]' reads it in less memory")
    data = file_bytes(path)
    with guarded(name, max_pixels=max_pixels) as warned:
        image = open_header(data, name)
        check_size(name, *image.size, max_pixels)
        pixels, alpha = decode(image, data, name, notes)
        # The size in a container's header may differ from the decoded picture's (in icons, for example).
        check_size(name, *image.size, max_pixels)
    notes.extend(f"decoder warned: {w}" for w in warned)
    return Picture(to_planes(pixels), name, hashlib.sha256(data).hexdigest(), tuple(notes), _plane(alpha))


def _in_memory(name: str, pixels: Array, notes: list[str], alpha: Floats | None = None) -> Picture:
    tensor = to_planes(pixels)
    digest = hashlib.sha256(b"%d %d " % tensor.shape[2:])
    digest.update(tensor.numpy().astype("<f4", copy=False).data)
    if alpha is not None:
        digest.update(alpha.astype("<f4", copy=False).tobytes())
    return Picture(tensor, name, digest.hexdigest(), tuple(notes), _plane(alpha))


def _plane(alpha: Floats | None) -> torch.Tensor | None:
    """(H, W) -> (1, 1, H, W)."""
    return None if alpha is None else torch.from_numpy(np.array(alpha, np.float32)[None, None])
