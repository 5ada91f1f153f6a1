"""Any picture into a (1, 3, H, W) float32 tensor of sRGB values in [0, 1], and a word on what that took.

The steps, always in this order: size judged from the header, first frame, pixels decoded, colours through
the embedded profile, 16 bits kept where possible, turned upright, transparent pixels on white.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageCms, ImageFile

from impasto.errors import ImageError
from impasto.images import large
from impasto.images.opening import MAX_PIXELS, check_size, file_bytes, guarded, open_header
from impasto.text import display_name, one_line

_Array = npt.NDArray[Any]

Source = str | os.PathLike[str] | Image.Image | _Array | torch.Tensor
"""A picture: a path, a PIL image, an array (H, W[, C]) or a tensor (3, H, W) or (1, 3, H, W)."""

_Floats = npt.NDArray[np.float32]

# EXIF orientation -> what turns the stored (H, W, ...) array upright. Anything else is ignored.
_UPRIGHT: dict[object, Callable[[_Array], _Array]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
_GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")
_DEEP_GREY_MODES = ("I;16", "I;16B", "I;16L", "I;16N")
_EXIF_ORIENTATION = 0x0112
_BAND = 1 << 18  # pixels made into floats at a time
# Colour space in a profile's header -> the Pillow mode its transform takes.
_PROFILE_MODE = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}


@dataclass(frozen=True)
class Picture:
    """A picture as read.

    Attributes:
        pixels: (1, 3, H, W) float32, sRGB in [0, 1], contiguous, on the CPU, without gradient.
        name: the file's base name, or ``<image>``, ``<array>``, ``<tensor>`` for a picture in memory.
        sha256: of the file's bytes; for a picture in memory, of the height, the width and the pixels.
        notes: what was done to the picture, one short line each; empty if nothing worth saying.
        alpha: (1, 1, H, W) float32 in [0, 1] where the picture is transparent somewhere, 0 being nothing; else None.
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
    """Reads a picture from a file or from memory. The source is never changed.

    Args:
        source: a path; a Pillow image; an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), uint8, uint16 or
            float in [0, 1]; or a tensor (3, H, W) or (1, 3, H, W), uint8 or float in [0, 1].
        max_pixels: the largest width x height accepted, judged before decoding.

    Raises:
        ImageError: the picture cannot be read, is damaged, has no pixels or more than ``max_pixels``,
            or has values that are not finite or outside the range.
        MissingExtraError: the file is HEIC and ``pillow-heif`` is not installed.
    """
    if isinstance(source, torch.Tensor):
        return _in_memory("<tensor>", _from_tensor(source, max_pixels), [])
    if isinstance(source, np.ndarray):
        notes: list[str] = []
        values, alpha = _from_array(source, max_pixels, notes)
        return _in_memory("<array>", values, notes, alpha)
    if isinstance(source, Image.Image):
        notes = []
        with guarded("<image>", max_pixels=max_pixels) as warned:
            check_size("<image>", *source.size, max_pixels)
            pixels, alpha = _pixels(source, None, "<image>", notes)
        return _in_memory("<image>", pixels, [*notes, *(f"decoder warned: {w}" for w in warned)], alpha)
    if isinstance(source, (str, os.PathLike)):
        return _from_file(source, max_pixels)
    raise ImageError(  # callers are not all type-checked
        f"expected a path, a Pillow image, an array or a tensor, came {type(source).__name__}"
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
        pixels, alpha = _pixels(image, data, name, notes)
        # A container's header and the picture inside may disagree (icons do).
        check_size(name, *image.size, max_pixels)
    notes.extend(f"decoder warned: {w}" for w in warned)
    return Picture(_tensor(pixels), name, hashlib.sha256(data).hexdigest(), tuple(notes), _plane(alpha))


def _in_memory(name: str, pixels: _Array, notes: list[str], alpha: _Floats | None = None) -> Picture:
    tensor = _tensor(pixels)
    digest = hashlib.sha256(b"%d %d " % tensor.shape[2:])
    digest.update(tensor.numpy().astype("<f4", copy=False).data)
    if alpha is not None:
        digest.update(alpha.astype("<f4", copy=False).tobytes())
    return Picture(tensor, name, digest.hexdigest(), tuple(notes), _plane(alpha))


def _plane(alpha: _Floats | None) -> torch.Tensor | None:
    """(H, W) -> (1, 1, H, W)."""
    return None if alpha is None else torch.from_numpy(np.array(alpha, np.float32)[None, None])


def _tensor(samples: _Array) -> torch.Tensor:
    """(H, W, 1) or (H, W, 3), uint8, uint16 or float -> (1, 3, H, W) float32, a copy.

    Some rows at a time: what lies between would take more memory than the picture.
    """
    height, width, _ = samples.shape
    planes = np.empty((3, height, width), np.float32)
    rows = max(1, _BAND // width)
    for first in range(0, height, rows):
        band = slice(first, first + rows)
        planes[:, band] = _unit(samples[band]).transpose(2, 0, 1)
    return torch.from_numpy(planes[None])


# --- in memory ---------------------------------------------------------------------------------------------


def _from_tensor(source: torch.Tensor, max_pixels: int) -> _Array:
    """(3, H, W) or (1, 3, H, W) -> (H, W, 3)."""
    shape = tuple(source.shape)
    planes = source.detach()[0] if source.ndim == 4 and shape[0] == 1 else source.detach()
    if planes.ndim != 3 or planes.shape[0] != 3:
        raise ImageError(f"<tensor>: expected the shape (3, H, W) or (1, 3, H, W), came {shape}")
    check_size("<tensor>", planes.shape[2], planes.shape[1], max_pixels)
    if source.dtype != torch.uint8 and not source.is_floating_point():
        raise ImageError(f"<tensor>: expected float values in [0, 1] or uint8, came {source.dtype}")
    planes = planes.permute(1, 2, 0).cpu()
    if source.dtype == torch.uint8:
        return np.asarray(planes)
    return _in_range("<tensor>", np.asarray(planes.float()))


def _from_array(source: _Array, max_pixels: int, notes: list[str]) -> tuple[_Array, _Floats | None]:
    """(H, W), (H, W, 1), (H, W, 3) or (H, W, 4) -> (H, W, 1) or (H, W, 3), and alpha (H, W)."""
    values = source[:, :, None] if source.ndim == 2 else source
    if values.ndim != 3 or values.shape[2] not in (1, 3, 4):
        expected = "(H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
        raise ImageError(f"<array>: expected the shape {expected}, came {source.shape}")
    check_size("<array>", values.shape[1], values.shape[0], max_pixels)
    if source.dtype.kind == "f":
        _in_range("<array>", values)
    elif source.dtype.kind != "u" or source.dtype.itemsize > 2:
        raise ImageError(f"<array>: expected uint8, uint16 or float values, came {source.dtype}")
    if values.shape[2] == 4:
        return _flatten(values[:, :, :3], _unit(values[:, :, 3]), notes)
    return values, None


def _in_range(name: str, values: _Array) -> _Array:
    """``values``, if all of them are in [0, 1]."""
    low, high = float(values.min()), float(values.max())  # not a number if any value is
    if not (low >= 0 and high <= 1):
        raise ImageError(f"{name}: expected finite values in [0, 1], came {low:g} to {high:g}")
    return values


# --- decoded by Pillow -------------------------------------------------------------------------------------


def _pixels(
    image: Image.Image, data: bytes | None, name: str, notes: list[str]
) -> tuple[_Array, _Floats | None]:
    """The upright, flattened (H, W, 1 or 3) samples of an opened image, and its alpha (H, W).

    Args:
        data: the bytes of its file.
    """
    _note_frames(image, data, name, notes)
    depth = _bits_per_channel(image, data)
    low_tiles = _low_byte_tiles(image)
    if data is not None and image.format == "PNG" and not _checksums_hold(data):
        notes.append("file is damaged: a checksum of its pixel data is wrong")
    image = _load(image, data, name, notes)
    colour, alpha = _split(image, name)
    transform = _profile_transform(image, colour.mode, notes)
    if colour.mode == "CMYK":
        notes.append("CMYK converted to RGB" + (" with its colour profile" if transform else ""))

    if transform is None and colour.mode in (*_DEEP_GREY_MODES, "I", "F"):
        values, alpha = _deep_grey(image, colour, alpha, name, notes)
    elif transform is None and data is not None and low_tiles and (deep := _deep_colour(image, data, name)):
        values, alpha = deep
        notes.append("16-bit kept")
    else:
        if colour.mode in _DEEP_GREY_MODES:  # Pillow's own conversion clips instead of scaling
            colour = Image.fromarray((np.asarray(colour) >> 8).astype(np.uint8))
        if transform is not None:
            mode, apply = transform
            colour = apply.apply(colour if colour.mode == mode else colour.convert(mode))
        elif colour.mode not in ("L", "RGB"):
            colour = colour.convert("L" if colour.mode == "1" else "RGB")
        values = np.asarray(colour)
        if depth > 8:
            notes.append(f"{depth}-bit reduced to 8")

    turn: Callable[[_Array], _Array] = _UPRIGHT.get(_orientation(image, notes), np.asarray)
    values = turn(values if values.ndim == 3 else values[:, :, None])
    return (values, None) if alpha is None else _flatten(values, turn(alpha), notes)


def _unit(values: _Array) -> _Floats:
    """uint8, uint16 or float in [0, 1] -> float32 in [0, 1]."""
    scaled = values.astype(np.float32)
    if values.dtype.kind == "u":
        scaled /= np.float32(np.iinfo(values.dtype).max)
    return scaled


def _flatten(values: _Array, alpha: _Floats, notes: list[str]) -> tuple[_Array, _Floats | None]:
    """``values`` (H, W, C) over white, as far as ``alpha`` (H, W) lets it through; alpha, if it does so at all."""
    if alpha.min() >= 1:
        return values, None
    notes.append("transparent, on white")
    cover = alpha[:, :, None]
    # Rounding may leave 1 by a step of float32; the range is a promise.
    flat: _Floats = (_unit(values) * cover + (1 - cover)).clip(0, 1)
    return flat, alpha


def _note_frames(image: Image.Image, data: bytes | None, name: str, notes: list[str]) -> None:
    # Counting walks through the file and may fail half way, so it must not happen on the image itself.
    try:
        walker = image if data is None or image.format is None else open_header(data, name)
        count = getattr(walker, "n_frames", 1)
    except Exception:  # a damaged later frame is no reason to refuse the first
        notes.append("first frame used, a later one is damaged")
        return
    if count > 1:
        shown = image.tell() if data is None else 0
        notes.append(f"{'first' if shown == 0 else f'frame {shown + 1}'} of {count} frames used")


def _load(image: Image.Image, data: bytes | None, name: str, notes: list[str]) -> Image.Image:
    """Decodes the pixels. A JPEG that was cut short is read as far as it goes, and the notes say so."""
    try:
        image.load()
        return image
    except OSError:
        if data is None or image.format not in ("JPEG", "MPO"):
            raise
        # With the missing end marker in place, libjpeg fills what is missing with one grey.
        # Anything else that is wrong with the file still is, and raises again.
        image = open_header(data + b"\xff\xd9", name)
        image.load()
    rows = np.asarray(image)
    same = (rows == rows[-1:]).reshape(len(rows), -1).all(axis=1)
    if same.all():
        raise ImageError(f"{name}: expected a picture, came a file cut short with only one colour left")
    missing = int(same[::-1].argmin())
    # Equal last rows may be the picture's own; and a progressive JPEG loses detail instead of rows.
    where = (
        f"about {missing} of {len(rows)} rows are missing and grey" if missing > 8 else "some detail is lost"
    )
    notes.append(f"file is damaged: cut short, {where}")
    return image


def _checksums_hold(data: bytes) -> bool:
    """Are the pixel data of a PNG file what its CRCs say? Pillow checks the other chunks only."""
    view, at = memoryview(data), 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        stated = int.from_bytes(data[end : end + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT" and zlib.crc32(view[at + 4 : end]) != stated:
            return False
        at = end + 4
    return True


def _split(image: Image.Image, name: str) -> tuple[Image.Image, _Floats | None]:
    """Colour in a mode without alpha, and alpha (H, W) in [0, 1] or None."""
    mode = image.mode
    if mode in ("La", "RGBa"):  # colour already multiplied by alpha
        image = image.convert(mode.upper())
    elif mode == "PA":
        image = image.convert("RGBA")
    elif "transparency" in image.info and mode in ("1", "L", "P", "RGB"):
        # one transparent colour, or an alpha for each colour of the palette
        image = image.convert("LA" if mode in ("1", "L") else "RGBA")
    if image.mode == "RGBA":
        return image.convert("RGB"), _unit(np.asarray(image.getchannel("A")))
    if image.mode == "LA":
        return image.convert("L"), _unit(np.asarray(image.getchannel("A")))
    if mode not in (*_GREY_MODES, "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"):
        raise ImageError(f"{name}: pictures of the kind {mode!r} are not read")
    return image, None


def _orientation(image: Image.Image, notes: list[str]) -> object:
    try:
        found = image.getexif().get(_EXIF_ORIENTATION)
    except Exception:  # EXIF is a file format of its own, with all the ways to be damaged
        notes.append("EXIF is damaged, ignored")
        return None
    return found if isinstance(found, int) else None


# --- colour profiles ---------------------------------------------------------------------------------------


def _profile_transform(
    image: Image.Image, mode: str, notes: list[str]
) -> tuple[str, ImageCms.ImageCmsTransform] | None:
    """What takes the picture to sRGB, with the mode it wants; None if that would change nothing."""
    profile = image.info.get("icc_profile")
    if mode == "LAB":
        profile = profile or ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    if not profile:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        wanted = _PROFILE_MODE[source.profile.xcolor_space.strip()]
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            wanted,
            "RGB",
            renderingIntent=ImageCms.Intent.PERCEPTUAL,
            # lcms's table for grey is too coarse near black: 10 of 255 off where a profile is linear.
            flags=ImageCms.Flags.NOOPTIMIZE if wanted == "L" else ImageCms.Flags(0),
        )
    except Exception:  # lcms and Pillow report a broken profile in many ways
        notes.append("colour profile is broken, ignored")
        return None
    grey_in_colour = mode in _GREY_MODES and wanted == "RGB"  # scanners write this
    kind = "L" if mode in _GREY_MODES else mode if mode in ("CMYK", "LAB") else "RGB"
    if (kind != wanted and not grey_in_colour) or mode in ("I", "F"):
        notes.append(f"colour profile ignored: it is for {wanted} pictures, this one is {mode}")
        return None
    if wanted in ("RGB", "L") and _changes_nothing(transform, wanted):
        return None
    if wanted != "CMYK":
        described = one_line(ImageCms.getProfileDescription(source), limit=60)
        notes.append(f"colours converted to sRGB from {described or 'its colour profile'}")
    return wanted, transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Is the profile sRGB by another name? Then the values stay as they are, unrounded."""
    steps = np.linspace(0, 255, 18).round().astype(np.uint8)
    if mode == "L":
        probe = np.arange(256, dtype=np.uint8)[None]
    else:
        probe = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(1, -1, 3)
    after = np.asarray(transform.apply(Image.fromarray(probe))).astype(int)
    before = probe.astype(int) if mode == "RGB" else probe.astype(int)[:, :, None]
    return bool(np.abs(after - before).max() <= 2)


# --- more than eight bits ----------------------------------------------------------------------------------


def _bits_per_channel(image: Image.Image, data: bytes | None) -> int:
    """How many bits the file has for each channel, where Pillow may decode fewer; 8 if unknown."""
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
    if image.format == "JPEG2000":
        start = data.find(b"\xff\x4f\xff\x51")  # SOC, SIZ; the first channel's depth is 38 bytes into SIZ
        return (data[start + 42] & 0x7F) + 1 if 0 <= start < len(data) - 42 else 8
    return 8


def _low_byte_tiles(image: Image.Image) -> list[Any] | None:
    """Decoding instructions that yield the low bytes of 16-bit RGB(A), where Pillow yields the high ones.

    Pillow has no mode for 16-bit colour and keeps the byte that its "raw mode" says is the high one.
    Told the opposite byte order, it keeps the other one.
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


def _deep_colour(image: Image.Image, data: bytes, name: str) -> tuple[_Array, _Floats | None] | None:
    """(H, W, 3) and alpha (H, W) of a 16-bit colour picture, whose high bytes are in ``image``."""
    try:
        second = open_header(data, name)
        second.tile = _low_byte_tiles(second)  # type: ignore[attr-defined]  # an ImageFile, it came from bytes
        second.load()
        low = np.asarray(second)
    except Exception:  # leaves the 8 bits that are there
        return None
    high = np.asarray(image)
    if low.shape != high.shape:
        return None
    values = high.astype(np.uint16) << 8 | low
    alpha = None
    if values.shape[2] == 4:
        alpha = _unit(values[:, :, 3])
    elif isinstance(key := image.info.get("transparency"), tuple) and len(key) == 3:
        alpha = (values != np.array(key)).any(axis=2).astype(np.float32)
    return values[:, :, :3], alpha


def _deep_grey(
    image: Image.Image, grey: Image.Image, alpha: _Floats | None, name: str, notes: list[str]
) -> tuple[_Floats, _Floats | None]:
    """(H, W) and alpha of a grey picture with 16-bit, 32-bit or float values."""
    values = np.asarray(grey)
    if grey.mode == "F":
        return _in_range(name, values).astype(np.float32), alpha
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ImageError(f"{name}: expected whole values in 0 to 65535, came {low} to {high}")
    if isinstance(key := image.info.get("transparency"), int):
        alpha = (values != key).astype(np.float32)
    tags = getattr(image, "tag_v2", {})
    full = 4095 if tags.get(258) == (12,) else 65535  # Pillow does not stretch a TIFF's 12 bits
    scaled = (values.astype(np.float32) / np.float32(full)).clip(0, 1)
    if tags.get(262) == 0 and grey.mode != "I":  # white is zero; Pillow inverts that for 8 bits only
        scaled = 1 - scaled
    notes.append("16-bit kept" if full == 65535 else "12-bit kept")
    return scaled, alpha


def in_few_bytes(pixels: torch.Tensor) -> torch.Tensor:
    """The picture as uint8 if it was 8 bits, a quarter of the memory; else as it is."""
    if pixels.dtype == torch.uint8:
        return pixels
    rounded = (pixels * 255.0).round_().to(torch.uint8)
    same = torch.equal(rounded.to(torch.float32).div_(255.0), pixels)
    return rounded if same else pixels
