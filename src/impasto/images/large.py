"""Read very large TIFF files with libvips, one band of rows at a time.

Pillow decodes the full picture before it becomes a tensor; here, only the tensor and one band are in memory. Only
files with 8 or 16 bits per channel are read this way. :mod:`impasto.images.reading` reads all others with Pillow, and
all files where pyvips is not installed.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from impasto.errors import ImageError
from impasto.geometry import Size
from impasto.images.alpha import OVER_WHITE
from impasto.images.complaints import plain_words
from impasto.images.opening import check_size
from impasto.images.samples import Floats, block_means, shrink_factor
from impasto.text import one_line

_BAND_BYTES = 1 << 24
# libvips caches tiled files by name: without revalidation, it returns old pixels after a file was replaced.
_LOAD_OPTIONS = {"fail_on": "error", "revalidate": True}
_DEPTHS: dict[str, type[np.uint8 | np.uint16]] = {"uchar": np.uint8, "ushort": np.uint16}


def available() -> bool:
    """Whether pyvips and libvips are installed."""
    try:
        import pyvips  # noqa: F401
    except (ImportError, OSError):  # pyvips without libvips
        return False
    return True


def jpeg_is_damaged(data: bytes) -> bool:
    """Whether libjpeg warns of damage in a JPEG or a TIFF file; Pillow does not pass its warnings on.

    False where pyvips is not installed.
    """
    if not available():
        return False
    import pyvips

    try:
        pyvips.Image.new_from_buffer(data, "", access="sequential", fail_on="warning").avg()
    except pyvips.Error:
        return True
    return False


def read_tiff(
    path: str | os.PathLike[str], name: str, *, max_pixels: int, shrink_to: int = 0
) -> tuple[Floats, Floats | None, Size, str, list[str]] | None:
    """(3, H, W) in [0, 1], alpha (H, W), the size in the file, the file's SHA-256, notes; None if not read here.

    Args:
        shrink_to: as for :func:`impasto.images.read`.

    Raises:
        ImageError: the file is damaged, or has more than ``max_pixels``.
    """
    import pyvips

    notes: list[str] = []
    try:
        image = pyvips.Image.tiffload(os.fspath(path), access="sequential", **_LOAD_OPTIONS)
        check_size(name, image.width, image.height, max_pixels)
        if image.get_n_pages() > 1:
            notes.append(f"first of {image.get_n_pages()} frames used")
        if image.format not in _DEPTHS or image.interpretation not in _SPACES:
            return None
        if image.get_typeof("orientation") and image.get("orientation") != 1:
            # Turning changes the order of the rows: libvips then decodes to a temporary file.
            image = pyvips.Image.tiffload(os.fspath(path), access="random", **_LOAD_OPTIONS).autorot()
        shrink = shrink_factor(min(image.height, image.width), shrink_to)
        planes, alpha = _planes(_to_srgb(image, notes), notes, shrink)
        with Path(path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except pyvips.Error as error:
        raise ImageError(f"{name}: expected a picture, got a damaged file: {plain_words(error)}") from error
    except (MemoryError, OSError) as error:
        raise ImageError(f"{name}: cannot read the picture: {one_line(error)}") from error
    return planes, alpha, (image.height, image.width), digest, notes


_SPACES = ("b-w", "grey16", "srgb", "rgb", "rgb16", "multiband")


def _to_srgb(image: Any, notes: list[str]) -> Any:
    """The image converted from its colour profile to sRGB; alpha is unchanged."""
    deep = image.format == "ushort"
    if image.get_typeof("icc-profile-data"):
        notes.append("colours converted to sRGB from its colour profile")
        image = image.icc_transform("srgb", embedded=True, intent="perceptual", depth=16 if deep else 8)
    if deep:
        notes.append("16-bit kept")
    return image


def _planes(image: Any, notes: list[str], shrink: int) -> tuple[Floats, Floats | None]:
    """The pixels (3, H, W) over white, decoded from top to bottom; and alpha (H, W), or None if all is opaque.

    Args:
        shrink: the sides are divided by it, rounded up.
    """
    import pyvips

    depth = _DEPTHS[image.format]
    scale = np.float32(np.iinfo(depth).max)
    width, height, bands = image.width, image.height, image.bands
    small = -(-height // shrink), -(-width // shrink)
    planes = np.empty((3, *small), np.float32)
    cover = np.empty(small, np.float32) if image.hasalpha() else None
    region = pyvips.Region.new(image)
    rows = max(1, _BAND_BYTES // (width * bands * np.dtype(depth).itemsize * shrink)) * shrink
    for top in range(0, height, rows):
        count = min(rows, height - top)
        band = np.frombuffer(region.fetch(0, top, width, count), depth).reshape(count, width, bands)
        values = band.transpose(2, 0, 1).astype(np.float32) / scale
        kept = slice(top // shrink, -(-(top + count) // shrink))
        if cover is not None:
            color, alpha = values[:-1], values[-1:]
            cover[kept] = block_means(alpha, shrink)[0]
            values = (color * alpha + (1 - alpha)).clip(0, 1) if alpha.min() < 1 else color
        planes[:, kept] = block_means(values, shrink)
    if cover is None or cover.min() >= 1:
        return planes, None
    notes.append(OVER_WHITE)
    return planes, cover
