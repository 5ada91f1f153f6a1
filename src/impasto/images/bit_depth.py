"""More than 8 bits per channel: detect the bit depth, and decode 16 bits where Pillow alone keeps 8."""

from __future__ import annotations

import io
import re
import sys
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from impasto.errors import ImageError
from impasto.images.opening import open_header
from impasto.images.samples import Array, Floats, check_unit_range, to_unit_range


def bits_per_channel(image: Image.Image, data: bytes | None) -> int:
    """Bits per channel in the file; Pillow may decode fewer. 8 if unknown."""
    if data is None:
        return 8
    if image.format == "PNG":
        return data[24]
    if image.format == "TIFF":
        bits = getattr(image, "tag_v2", {}).get(258, 8)
        widths = [b for b in (bits if isinstance(bits, tuple) else (bits,)) if isinstance(b, int)]
        return max(widths, default=8)
    if image.format == "PPM":
        arguments = image.tile[0].args if isinstance(image, ImageFile.ImageFile) and image.tile else None
        largest = arguments[-1] if isinstance(arguments, tuple) else 255
        return largest.bit_length() if isinstance(largest, int) else 8
    if "bit_depth" in image.info:  # HEIC
        return int(image.info["bit_depth"])
    if image.format == "AVIF":
        at = data.find(b"av1C")  # profile and level come before the flags
        flags = data[at + 6] if 0 <= at < len(data) - 6 else 0
        return 8 if not flags & 0x40 else 12 if flags & 0x20 else 10
    if image.format == "JPEG2000":
        start = data.find(b"\xff\x4f\xff\x51")  # SOC, SIZ; the first channel's depth is 38 bytes into SIZ
        return (data[start + 42] & 0x7F) + 1 if 0 <= start < len(data) - 42 else 8
    return 8


def low_byte_tiles(image: Image.Image) -> list[Any] | None:
    """Pillow's decoder arguments, changed to return the low bytes of 16-bit RGB(A) instead of the high bytes.

    Pillow has no mode for 16-bit colour: it keeps the high byte, by the byte order of its "raw mode". With the
    opposite byte order in the raw mode, it keeps the low byte. None if the image is not 16-bit RGB(A).
    """
    tiles = getattr(image, "tile", None)
    if not tiles or image.mode not in ("RGB", "RGBA"):
        return None
    other = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
    swapped = []
    for tile in tiles:
        rawmode = tile.args[0] if isinstance(tile.args, tuple) and tile.args else tile.args
        if not isinstance(rawmode, str) or not re.fullmatch(f"{image.mode};16[BLN]", rawmode):
            return None
        opposite = rawmode[:-1] + other[rawmode[-1]]
        swapped.append(
            tile._replace(args=(opposite, *tile.args[1:]) if isinstance(tile.args, tuple) else opposite)
        )
    return swapped


def deep_color(image: Image.Image, data: bytes, name: str) -> tuple[Array, Floats | None] | None:
    """(H, W, 3) uint16 and alpha (H, W) of a 16-bit colour picture; None if its low bytes cannot be decoded.

    Args:
        image: decoded, with the high bytes.
        data: the file's bytes.
    """
    try:
        second = open_header(data, name)
        second.tile = low_byte_tiles(second)  # type: ignore[attr-defined]  # an ImageFile, opened from bytes
        second.load()
        low = np.asarray(second)
    except Exception:  # the caller then uses the high bytes alone
        return None
    high = np.asarray(image)
    if low.shape != high.shape:
        return None
    values = high.astype(np.uint16) << 8 | low
    alpha = None
    if values.shape[2] == 4:
        alpha = to_unit_range(values[:, :, 3])
    elif isinstance(key := image.info.get("transparency"), tuple) and len(key) == 3:
        alpha = (values != np.array(key)).any(axis=2).astype(np.float32)
    return values[:, :, :3], alpha


def deep_grey(
    image: Image.Image, grey: Image.Image, alpha: Floats | None, name: str, notes: list[str]
) -> tuple[Floats, Floats | None]:
    """(H, W) float32 in [0, 1] and alpha of a grey picture with 16-bit, 32-bit or float values.

    Args:
        image: as decoded; its tags and its transparent value are used.
        grey: the image without alpha.
        alpha: (H, W) from :func:`impasto.images.alpha.split`; a transparent value replaces it.
        notes: a line with the bit depth is added.

    Raises:
        ImageError: floats outside [0, 1], or whole numbers outside 0 to 65535.
    """
    values = np.asarray(grey)
    if grey.mode == "F" or (grey.mode == "I" and image.format != "PPM"):
        scaled = _with_white_of_255(name, values, notes)
        if scaled is not None:
            return scaled, alpha
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ImageError(f"{name}: expected whole values in 0 to 65535, got {low} to {high}")
    if isinstance(key := image.info.get("transparency"), int):
        alpha = (values != key).astype(np.float32)
    tags = getattr(image, "tag_v2", {})
    full = 4095 if tags.get(258) == (12,) else 65535  # Pillow does not stretch a TIFF's 12 bits
    scaled = (values.astype(np.float32) / np.float32(full)).clip(0, 1)
    if tags.get(262) == 0 and grey.mode != "I":  # white is zero; Pillow inverts such pictures in 8 bits only
        scaled = 1 - scaled
    notes.append("16-bit kept" if full == 65535 else "12-bit kept")
    return scaled, alpha


def _with_white_of_255(name: str, values: Array, notes: list[str]) -> Floats | None:
    """32-bit grey in [0, 1], from floats or from whole numbers up to 255; None for larger whole numbers.

    Raises:
        ImageError: floats outside of 0 to 255, or not finite.
    """
    # Floats a little above 1 are probably highlights.
    if values.min() >= 0 and (25 if values.dtype.kind == "f" else 0) < values.max() <= 255:
        notes.append("32-bit values up to 255, taken as 8-bit grey levels")
        return values.astype(np.float32) / np.float32(255)
    if values.dtype.kind != "f":
        return None
    check_unit_range(name, values)
    return values.astype(np.float32)


def deep_heic(data: bytes) -> tuple[Array, Floats | None]:
    """(H, W, 3) float32 in [0, 1] and alpha (H, W) of a HEIC picture with more than 8 bits, upright."""
    import pillow_heif

    opened = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
    values = np.asarray(opened)
    # Its values are shifted to the left.
    bits = int(opened.info["bit_depth"])
    values = (values >> (16 - bits)).astype(np.float32) / np.float32((1 << bits) - 1)
    return values[:, :, :3], values[:, :, 3] if values.shape[2] == 4 else None
