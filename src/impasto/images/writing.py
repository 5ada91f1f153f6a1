"""Write a (1, 3, H, W) tensor to a picture file, atomically.

Pillow cannot write 16 bits per channel in colour. PNG is therefore written here, as a few chunks around
zlib-compressed rows, and TIFF with tifffile. The other formats are written with Pillow. PNG and TIFF are encoded in
bands or tiles, so that a large picture is never copied as a whole. No colour profile is embedded: a file without one
is sRGB by convention (PNG adds an ``sRGB`` chunk), and reading it back returns the same values.

GIF gets a palette of the picture's own, with dithering. BMP has no metadata.
"""

from __future__ import annotations

import errno
import math
import os
import struct
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from impasto.errors import OutputError, ParameterError
from impasto.files import replacing
from impasto.images.metadata import KEY, XMP_TAG, check_text, to_xmp
from impasto.text import display_name, one_line

WRITABLE = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".gif": "GIF",
    ".bmp": "BMP",
}
"""Suffix (lower case) -> format. Both 8 and 16 bits for PNG and TIFF, 8 for the others."""

_DEEP = ("PNG", "TIFF")
_LOSSY = ("JPEG", "WEBP")
_OPAQUE = ("JPEG", "GIF", "BMP")
_LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383, "GIF": 65_535, "BMP": 65_535}
_NO_LIMIT = 2**31 - 1
_BAND_BYTES = 1 << 20
_TIFF_TILE = 256  # pixels a side
_CLASSIC_TIFF_BYTES = 2**32 - 2**25
"""Largest uncompressed size of a TIFF with 32-bit offsets. The 32 MiB between this size and 4 GiB are reserved for
the directory, and for tiles that deflate makes larger."""
_Samples = npt.NDArray[np.uint8 | np.uint16]


@dataclass(frozen=True)
class _Raster:
    """A picture to write: ``values`` (H, W, 3 or 4) float, with ``bits`` per channel in the file."""

    values: torch.Tensor
    bits: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.values.shape[1], self.values.shape[0]

    @property
    def channels(self) -> int:
        """3, or 4 with alpha."""
        return self.values.shape[2]

    @property
    def sample_bytes(self) -> int:
        return self.bits // 8

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        """Number type of the samples in the file."""
        return np.uint8 if self.bits == 8 else np.uint16

    def samples(self, rows: slice, columns: slice = slice(None)) -> _Samples:
        """A rectangle of the picture, rounded to integers: (rows, columns, channels), C-contiguous."""
        scaled = self.values[rows, columns].to(torch.float32).clamp(0, 1) * (2**self.bits - 1)
        return np.ascontiguousarray(scaled.round().numpy().astype(self.dtype))

    def bands(self) -> Iterator[_Samples]:
        """Bands of full rows, about a megabyte each."""
        width, height = self.size
        rows = max(1, _BAND_BYTES // (self.channels * width * self.sample_bytes))
        for top in range(0, height, rows):
            yield self.samples(slice(top, top + rows))

    def tiles(self) -> Iterator[_Samples]:
        """Square tiles, row by row from the top; tiles at the right and lower edges may be smaller."""
        width, height = self.size
        for top in range(0, height, _TIFF_TILE):
            for left in range(0, width, _TIFF_TILE):
                yield self.samples(slice(top, top + _TIFF_TILE), slice(left, left + _TIFF_TILE))

    def whole(self) -> _Samples:
        """All rows at once."""
        width, height = self.size
        samples = np.empty((height, width, self.channels), self.dtype)
        first = 0
        for band in self.bands():
            samples[first : first + len(band)] = band
            first += len(band)
        return samples


def check_output(
    path: str | os.PathLike[str], *, bits: int = 8, quality: int | None = None, compression: int | None = None
) -> None:
    """Check, before any work, that :func:`write` can write to a path.

    Args:
        path: of the picture; an existing file will be replaced.
        bits, quality, compression: as for :func:`write`.

    Raises:
        ParameterError: as :func:`check_format`.
        OutputError: the folder is missing or not writable, or the path is not a regular file.
    """
    check_format(path, bits=bits, quality=quality, compression=compression)
    check_writable(path)


def check_format(
    path: str | os.PathLike[str], *, bits: int = 8, quality: int | None = None, compression: int | None = None
) -> str:
    """The format of the path's suffix, after checking the options.

    Raises:
        ParameterError: the suffix is not one of :data:`WRITABLE`, a value is out of range, or the format does not
            have an option.
    """
    name, kind = display_name(path), _format(path)
    if bits not in (8, 16):
        raise ParameterError(f"{name}: expected 8 or 16 bits per channel, got {bits}")
    if bits == 16 and kind not in _DEEP:
        raise ParameterError(
            f"{name}: expected 8 bits per channel for {kind}, got 16; {_suffixes(_DEEP)} have 16"
        )
    for what, value, least, most, kinds in (
        ("quality", quality, 1, 100, _LOSSY),
        ("compression", compression, 0, 9, _DEEP),
    ):
        if value is not None and not least <= value <= most:
            raise ParameterError(f"{name}: expected a {what} from {least} to {most}, got {value}")
        if value is not None and kind not in kinds:
            raise ParameterError(f"{name}: {kind} has no {what}; it is for {_suffixes(kinds)}")
    return kind


def _suffixes(kinds: Collection[str]) -> str:
    return ", ".join(suffix for suffix, kind in WRITABLE.items() if kind in kinds)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check that a file can be written to a path.

    Raises:
        OutputError: the folder is missing or not writable, or the path is not a regular file.
    """
    name = display_name(path)
    target = target_of(path)
    try:
        if not target.parent.is_dir():
            raise OutputError(f"{name}: there is no folder {one_line(target.parent)}")
        if target.exists() and not target.is_file():
            raise OutputError(
                f"{name}: expected a new path or a regular file, got something else ({one_line(target)})"
            )
    except OSError as error:
        raise write_error(path, error) from error
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{name}: permission to write in {one_line(target.parent)} is missing")


def write(
    path: str | os.PathLike[str],
    pixels: torch.Tensor,
    *,
    bits: Literal[8, 16] = 8,
    metadata: str | None = None,
    quality: int | None = None,
    compression: int | None = None,
) -> None:
    """Write a picture atomically: after an error, the previous file is unchanged.

    Args:
        path: the suffix decides the format, see :data:`WRITABLE`. A symbolic link is followed.
        pixels: (1, 3, H, W), sRGB, or (1, 4, H, W) with alpha; clamped to [0, 1] and rounded to the nearest value.
            JPEG, GIF and BMP have no alpha: the picture is composited over white.
        bits: per channel; 16 for PNG and TIFF only.
        metadata: text to embed; :func:`impasto.images.read_metadata` returns it. BMP has no metadata.
        quality: 1 to 100, for JPEG (always 4:4:4) and WebP (lossy); None is 95.
        compression: 0 to 9, for PNG and TIFF; a larger number gives a smaller file, more slowly. None is 6.

    Raises:
        ParameterError: as :func:`check_format`, or ``metadata`` or the tensor's shape is wrong.
        OutputError: values are not finite, the picture is too large for the format, or the file cannot be written
            (no space, no permission, ...).
    """
    check_output(path, bits=bits, quality=quality, compression=compression)
    name, kind, target = display_name(path), _format(path), target_of(path)
    if metadata is not None:
        check_text(metadata)
    raster = _raster(name, _on_white(pixels) if kind in _OPAQUE else pixels, bits)
    longest, most = max(raster.size), _LONGEST_SIDE.get(kind, _NO_LIMIT)
    if longest > most:
        raise OutputError(f"{name}: {kind} allows at most {most} pixels a side, the picture has {longest}")
    try:
        with replacing(target) as file:
            _encode(file, raster, kind, metadata, quality or 95, 6 if compression is None else compression)
    except Exception as error:
        raise write_error(path, error) from error


def _format(path: str | os.PathLike[str]) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in WRITABLE:
        known = ", ".join(WRITABLE)
        got = repr(one_line(suffix)) if suffix else "none"
        raise ParameterError(f"{display_name(path)}: expected one of the suffixes {known}, got {got}")
    return WRITABLE[suffix]


def target_of(path: str | os.PathLike[str]) -> Path:
    """The path with symbolic links resolved."""
    try:
        return Path(os.path.realpath(path))  # otherwise the link would be replaced, not its target
    except (OSError, ValueError) as error:
        raise write_error(path, error) from error


def write_error(path: str | os.PathLike[str], error: Exception, *, what: str = "picture") -> OutputError:
    """The error for a picture or a film that could not be written, with the reason."""
    if isinstance(error, OutputError):
        return error
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        reason = "no space left on the disk"
    elif isinstance(error, OSError) and error.strerror:
        reason = one_line(error.strerror)
    else:
        reason = one_line(error) or type(error).__name__
    return OutputError(f"{display_name(path)}: cannot write the {what}: {reason}")


def _on_white(pixels: torch.Tensor) -> torch.Tensor:
    """(1, 4, H, W) composited over white as (1, 3, H, W); any other shape is returned unchanged."""
    if pixels.ndim != 4 or pixels.shape[1] != 4:
        return pixels
    return pixels[:, :3] * pixels[:, 3:] + (1.0 - pixels[:, 3:])


def _raster(name: str, pixels: torch.Tensor, bits: int) -> _Raster:
    """The picture, after checking its shape, type and finiteness."""
    if (
        pixels.ndim != 4
        or pixels.shape[:2] not in ((1, 3), (1, 4))
        or 0 in pixels.shape
        or not pixels.is_floating_point()
    ):
        got = f"{tuple(pixels.shape)} {pixels.dtype}"
        raise ParameterError(f"{name}: expected a float picture of shape (1, 3, H, W), got {got}")
    values = pixels.detach()[0].cpu()
    # The extremes are finite only if all values are; computing them needs no copy of the picture.
    if not all(map(math.isfinite, map(float, values.aminmax()))):
        count = int((~torch.isfinite(values)).sum())
        raise OutputError(f"{name}: {count} of {values.numel()} values are not finite; nothing was written")
    return _Raster(values.permute(1, 2, 0), bits)


def _encode(
    file: IO[bytes], raster: _Raster, kind: str, metadata: str | None, quality: int, level: int
) -> None:
    if kind == "PNG":
        return _encode_png(file, raster, metadata, level)
    if kind == "TIFF":
        return _encode_tiff(file, raster, metadata, level)
    options: dict[str, Any] = {}
    picture = Image.fromarray(raster.whole())
    if metadata is not None and kind != "BMP":
        options["comment" if kind == "GIF" else "xmp"] = to_xmp(metadata)
    if kind in _LOSSY:
        options["quality"] = quality
    if kind == "JPEG":
        options["subsampling"] = 0  # 4:4:4; WebP has 4:2:0 only
    if kind == "GIF":
        # Pillow dithers only where it is given a palette.
        picture = picture.quantize(palette=picture.quantize(256), dither=Image.Dither.FLOYDSTEINBERG)
    picture.save(file, format=kind, **options)
    return None


def _encode_png(file: IO[bytes], raster: _Raster, metadata: str | None, level: int) -> None:
    """PNG specification, third edition: sections 5 (chunks), 9 (filters), 11.2 and 11.3 (contents)."""

    def chunk(kind: bytes, body: bytes) -> None:
        file.write(struct.pack(">I", len(body)) + kind + body)
        file.write(struct.pack(">I", zlib.crc32(kind + body)))

    width, height = raster.size
    file.write(b"\x89PNG\r\n\x1a\n")
    color = {3: 2, 4: 6}[raster.channels]  # RGB, or with alpha
    # compression 0 (deflate), filter method 0, no interlacing
    chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, raster.bits, color, 0, 0, 0))
    chunk(b"sRGB", b"\0")  # perceptual
    if metadata is not None:  # key, not compressed, no language, no translated key
        chunk(b"iTXt", KEY.encode() + b"\0\0\0\0\0" + metadata.encode())
    packer = zlib.compressobj(level)
    for band in raster.bands():
        raw = band.astype(">u2" if raster.bits == 16 else np.uint8).view(np.uint8)
        rows = raw.reshape(len(band), -1)  # (rows, bytes), big-endian
        # Filter 1, Sub: the difference from the byte one pixel to the left, modulo 256. It needs no other row and
        # makes a photograph about a third smaller.
        filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
        pixel = raster.channels * raster.sample_bytes
        filtered[:, 0] = 1
        filtered[:, 1 : 1 + pixel] = rows[:, :pixel]
        np.subtract(rows[:, pixel:], rows[:, :-pixel], out=filtered[:, 1 + pixel :])
        if packed := packer.compress(filtered.tobytes()):
            chunk(b"IDAT", packed)
    chunk(b"IDAT", packer.flush())
    chunk(b"IEND", b"")


def _encode_tiff(file: IO[bytes], raster: _Raster, metadata: str | None, level: int) -> None:
    """Deflated tiles with horizontal differencing; BigTIFF where the picture may not fit into 4 GiB."""
    import tifffile

    width, height = raster.size
    xmp = b"" if metadata is None else to_xmp(metadata)
    size = width * height * raster.channels * raster.sample_bytes + len(xmp)
    # Without this name, tifffile uses the file's own, which is a number for a file opened by its descriptor.
    handle = tifffile.FileHandle(file, name="picture.tif", size=0)
    with tifffile.TiffWriter(handle, bigtiff=size > _CLASSIC_TIFF_BYTES, byteorder="<") as tiff:
        tiff.write(
            raster.tiles(),
            shape=(height, width, raster.channels),
            dtype=raster.dtype,
            photometric="rgb",
            extrasamples=("unassalpha",) if raster.channels == 4 else None,  # alpha, not premultiplied
            tile=(_TIFF_TILE, _TIFF_TILE),
            compression="zlib",
            compressionargs={"level": level},
            predictor=True,
            extratags=((XMP_TAG, "B", len(xmp), xmp, True),) if xmp else (),
            metadata=None,  # no description of the array's shape
            software=False,
            maxworkers=1,  # several workers would first collect half a gigabyte of tiles
        )
