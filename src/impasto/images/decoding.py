"""Decode an image that Pillow opened: samples in sRGB, upright, composited over white."""

from __future__ import annotations

import zlib
from contextlib import AbstractContextManager, nullcontext

import numpy as np
from PIL import Image, ImageFile

from impasto.errors import ImageError
from impasto.images import large
from impasto.images.alpha import flatten, split
from impasto.images.bit_depth import bits_per_channel, deep_color, deep_grey, deep_heic, low_byte_tiles
from impasto.images.color_profile import transform_to_srgb
from impasto.images.complaints import AS_FAR_AS_POSSIBLE, standard_error_of_libraries
from impasto.images.opening import is_heic, open_header
from impasto.images.orientation import upright
from impasto.images.samples import DEEP_GREY_MODES, Array, Floats


def decode(
    image: Image.Image, data: bytes | None, name: str, notes: list[str], *, shrink_to: int = 0
) -> tuple[Array, Floats | None]:
    """The samples (H, W, 1 or 3) of an opened image, and its alpha (H, W) or None.

    Call it inside :func:`impasto.images.opening.guarded`, which turns all decoder exceptions into ImageError.

    Args:
        data: the file's bytes; None for an image in memory.
        notes: a line is added for each conversion.
        shrink_to: a JPEG may be decoded smaller, as :func:`impasto.images.read` says.

    Raises:
        ImageError: the mode is not supported, values are out of range, or too much of the file is missing.
    """
    _note_frames(image, data, name, notes)
    noisy: AbstractContextManager[list[str]] = nullcontext([])
    if image.format == "TIFF":
        noisy = standard_error_of_libraries()
    with noisy as lines:
        values, alpha = _decode(image, data, name, notes, shrink_to)
    if lines and AS_FAR_AS_POSSIBLE not in notes:
        notes.append(AS_FAR_AS_POSSIBLE)
    turn = upright(image, notes)
    values = turn(values if values.ndim == 3 else values[:, :, None])
    return (values, None) if alpha is None else flatten(values, turn(alpha), notes)


def _decode(
    image: Image.Image, data: bytes | None, name: str, notes: list[str], shrink_to: int
) -> tuple[Array, Floats | None]:
    """The samples (H, W) or (H, W, 3) as stored, in sRGB, and alpha (H, W) or None."""
    depth = bits_per_channel(image, data)
    low_tiles = low_byte_tiles(image)
    if data is not None and image.format == "PNG" and not _checksums_match(data):
        notes.append("file is damaged: a checksum of its pixel data is wrong")
    image = _load(image, data, name, notes, shrink_to)
    color, alpha = split(image, name)
    transform = transform_to_srgb(image, color.mode, notes)
    if color.mode == "CMYK":
        notes.append("CMYK converted to RGB" + (" with its colour profile" if transform else ""))

    if transform is None:
        if color.mode in (*DEEP_GREY_MODES, "I", "F"):
            return deep_grey(image, color, alpha, name, notes)
        deep = None
        if data is not None and depth > 8:
            deep = deep_heic(data) if is_heic(data) else low_tiles and deep_color(image, data, name)
        if deep:
            notes.append(f"{depth}-bit kept")
            return deep
    if color.mode in DEEP_GREY_MODES:  # Pillow's own conversion clips instead of scaling
        color = Image.fromarray((np.asarray(color) >> 8).astype(np.uint8))
    if transform is not None:
        mode, apply = transform
        color = apply.apply(color if color.mode == mode else color.convert(mode))
    elif color.mode not in ("L", "RGB"):
        color = color.convert("L" if color.mode == "1" else "RGB")
    if depth > 8:
        notes.append(f"{depth}-bit reduced to 8")
    return np.asarray(color), alpha


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


def _load(image: Image.Image, data: bytes | None, name: str, notes: list[str], shrink_to: int) -> Image.Image:
    """Decode the pixels. A truncated JPEG is decoded as far as possible, with a note."""
    _draft(image, shrink_to)
    is_jpeg = image.format in ("JPEG", "MPO")
    try:
        image.load()
        has_jpeg = is_jpeg or image.info.get("compression") in ("jpeg", "tiff_jpeg")
        if data is not None and has_jpeg and large.jpeg_is_damaged(data):
            notes.append(AS_FAR_AS_POSSIBLE)
        return image
    except OSError:
        if data is None or not is_jpeg:
            raise
        # With an end marker appended, libjpeg fills missing rows with one grey. Any other damage raises again.
        image = open_header(data + b"\xff\xd9", name)
        _draft(image, shrink_to)
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


def _draft(image: Image.Image, shrink_to: int) -> None:
    """Let a JPEG decode at 1/2, 1/4 or 1/8 of its size, with both sides at least ``shrink_to``."""
    if shrink_to and isinstance(image, ImageFile.ImageFile):
        image.draft(None, (shrink_to, shrink_to))


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
