"""Decode an image that Pillow opened: samples in sRGB, upright, composited over white."""

from __future__ import annotations

import zlib

import numpy as np
from PIL import Image

from impasto.errors import ImageError
from impasto.images.alpha import flatten, split
from impasto.images.bit_depth import bits_per_channel, deep_color, deep_grey, low_byte_tiles
from impasto.images.color_profile import transform_to_srgb
from impasto.images.opening import open_header
from impasto.images.orientation import upright
from impasto.images.samples import DEEP_GREY_MODES, Array, Floats


def decode(
    image: Image.Image, data: bytes | None, name: str, notes: list[str]
) -> tuple[Array, Floats | None]:
    """The samples (H, W, 1 or 3) of an opened image, and its alpha (H, W) or None.

    Call it inside :func:`impasto.images.opening.guarded`, which turns all decoder exceptions into ImageError.

    Args:
        data: the file's bytes; None for an image in memory.
        notes: a line is added for each conversion.

    Raises:
        ImageError: the mode is not supported, values are out of range, or too much of the file is missing.
    """
    _note_frames(image, data, name, notes)
    depth = bits_per_channel(image, data)
    low_tiles = low_byte_tiles(image)
    if data is not None and image.format == "PNG" and not _checksums_match(data):
        notes.append("file is damaged: a checksum of its pixel data is wrong")
    image = _load(image, data, name, notes)
    color, alpha = split(image, name)
    transform = transform_to_srgb(image, color.mode, notes)
    if color.mode == "CMYK":
        notes.append("CMYK converted to RGB" + (" with its colour profile" if transform else ""))

    if transform is None and color.mode in (*DEEP_GREY_MODES, "I", "F"):
        values, alpha = deep_grey(image, color, alpha, name, notes)
    elif transform is None and data is not None and low_tiles and (deep := deep_color(image, data, name)):
        values, alpha = deep
        notes.append("16-bit kept")
    else:
        if color.mode in DEEP_GREY_MODES:  # Pillow's own conversion clips instead of scaling
            color = Image.fromarray((np.asarray(color) >> 8).astype(np.uint8))
        if transform is not None:
            mode, apply = transform
            color = apply.apply(color if color.mode == mode else color.convert(mode))
        elif color.mode not in ("L", "RGB"):
            color = color.convert("L" if color.mode == "1" else "RGB")
        values = np.asarray(color)
        if depth > 8:
            notes.append(f"{depth}-bit reduced to 8")

    turn = upright(image, notes)
    values = turn(values if values.ndim == 3 else values[:, :, None])
    return (values, None) if alpha is None else flatten(values, turn(alpha), notes)


def _note_frames(image: Image.Image, data: bytes | None, name: str, notes: list[str]) -> None:
    # Counting seeks through the file and may fail half way, so a second image object is used.
    try:
        second = image if data is None or image.format is None else open_header(data, name)
        count = getattr(second, "n_frames", 1)
    except Exception:  # the first frame is still usable
        notes.append("first frame used, a later one is damaged")
        return
    if count > 1:
        shown = image.tell() if data is None else 0
        notes.append(f"{'first' if shown == 0 else f'frame {shown + 1}'} of {count} frames used")


def _load(image: Image.Image, data: bytes | None, name: str, notes: list[str]) -> Image.Image:
    """Decode the pixels. A truncated JPEG is decoded as far as possible, with a note."""
    try:
        image.load()
        return image
    except OSError:
        if data is None or image.format not in ("JPEG", "MPO"):
            raise
        # With an end marker appended, libjpeg fills missing rows with one grey. Any other damage raises again.
        image = open_header(data + b"\xff\xd9", name)
        image.load()
    rows = np.asarray(image)
    same = (rows == rows[-1:]).reshape(len(rows), -1).all(axis=1)
    if same.all():
        raise ImageError(f"{name}: expected a picture, got a file cut short before its first visible pixels")
    missing = int(same[::-1].argmin())
    # Equal last rows may belong to the picture, and a truncated progressive JPEG loses detail instead of rows.
    where = (
        f"about {missing} of {len(rows)} rows are missing and grey" if missing > 8 else "some detail is lost"
    )
    notes.append(f"file is damaged: cut short, {where}")
    return image


def _checksums_match(data: bytes) -> bool:
    """Whether the CRCs of a PNG file's pixel data match. Pillow checks the CRCs of other chunks only."""
    view, at = memoryview(data), 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        stated = int.from_bytes(data[end : end + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT" and zlib.crc32(view[at + 4 : end]) != stated:
            return False
        at = end + 4
    return True
