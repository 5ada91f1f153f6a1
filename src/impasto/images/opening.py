"""Read a picture file's bytes, and open them as a Pillow image without decoding.

Picture files are untrusted input: the suffix and the claimed size may be false, and a decoder may raise any type of
exception. Only formats on an allowlist are tried (not EPS, which starts Ghostscript). The size is checked in the
header, before any pixel is allocated.
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError

from impasto.errors import ImageError, ImpastoError, MissingExtraError
from impasto.images.complaints import collected, plain_words
from impasto.images.kinds import format_read, other_kind
from impasto.text import display_name, one_line

LARGE_BYTES = 64_000_000
"""Least size in bytes of a TIFF file that :mod:`impasto.images.large` reads."""
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # TIFF and BigTIFF, little and big endian
MAX_PIXELS = 100_000_000
"""Default limit of :func:`impasto.images.read`, in pixels."""

MAX_BYTES = 1_000_000_000
"""The largest file that is read, in bytes."""

# Pillow's names. JPEG includes MPO. TGA is excluded because it has no signature: random bytes may pass as TGA. EPS,
# PDF, WMF and similar formats are excluded because they are programs, not pixels.
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "PPM", "JPEG2000", "ICO")
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}

# Pillow's limits and Python's warning filters are global to the process; one thread at a time may change them.
_swapped_globals = threading.Lock()


def file_bytes(path: str | os.PathLike[str]) -> bytes:
    """All bytes of a regular file.

    Raises:
        ImageError: the file is missing, not readable, empty, larger than :data:`MAX_BYTES`, or not a regular
            file (a folder, a pipe, a device).
    """
    name = display_name(path)
    # Without O_NONBLOCK, opening a pipe waits for its writer. Checking the type first is not enough: the file may be
    # replaced between check and open.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):  # opening a device may have side effects
            raise ImageError(f"{name}: expected a picture file, got {_kind(Path(path).stat().st_mode)}")
        with os.fdopen(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ImageError(f"{name}: expected a picture file, got {_kind(status.st_mode)}")
            data = b"" if status.st_size > MAX_BYTES else file.read(MAX_BYTES + 1)
    except OSError as error:
        known = {errno.ENOENT: "there is no such file", errno.EACCES: "permission to read it is missing"}
        reason = known.get(error.errno or 0) or one_line(error.strerror or error)
        raise ImageError(f"{name}: cannot read the picture: {reason} ({one_line(path)})") from error
    except ValueError as error:  # a null byte in the path
        raise ImageError(f"{name}: cannot read the picture: {one_line(error)}") from error
    if status.st_size > MAX_BYTES or len(data) > MAX_BYTES:
        size = max(status.st_size, len(data))
        raise ImageError(f"{name}: the file has {size} bytes, the limit is {MAX_BYTES}")
    if not data:
        raise ImageError(f"{name}: expected a picture, got an empty file")
    return data


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a pipe" if stat.S_ISFIFO(mode) else "something that is not a regular file"


@contextmanager
def guarded(name: str, *, max_pixels: int) -> Iterator[list[str]]:
    """Context for decoders: every exception inside it becomes an :class:`ImageError` of one line.

    Yields a list; after the block it has the decoders' warnings, one line each. Inside the block, Pillow's pixel
    limit is ``max_pixels``. It also covers sizes that are known to the decoder only (the tile of a TIFF, the picture
    inside an icon).
    """
    with _swapped_globals, collected() as warned:
        saved = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = max_pixels, False
        try:
            yield warned
        except ImpastoError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            count = re.search(r"\((\d+) pixels\)", str(error))
            raise too_large(name, int(count[1]) if count else None, max_pixels) from error
        except MemoryError as error:
            raise ImageError(f"{name}: not enough memory to decode the picture") from error
        # For damaged files decoders raise nearly any exception: OSError, SyntaxError, struct.error, zlib.error,
        # IndexError, OverflowError, ... No list of types would be complete.
        except Exception as error:
            raise ImageError(
                f"{name}: expected a picture, got a damaged file: {plain_words(error)}"
            ) from error
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = saved


def too_large(name: str, count: int | None, max_pixels: int) -> ImageError:
    """The error for a picture of ``count`` pixels where ``max_pixels`` are allowed."""
    got = "an unknown number of" if count is None else count
    return ImageError(f"{name}: the picture has {got} pixels, the limit is {max_pixels}")


def check_size(name: str, width: int, height: int, max_pixels: int) -> None:
    """Refuse a picture without pixels or with more than ``max_pixels``.

    Raises:
        ImageError: the message gives the number of pixels and the limit.
    """
    if width < 1 or height < 1:
        raise ImageError(f"{name}: the picture has no pixels ({width} x {height})")
    if width * height > max_pixels:
        raise too_large(name, width * height, max_pixels)


def open_header(data: bytes, name: str) -> Image.Image:
    """Open ``data`` without decoding pixels; call it inside :func:`guarded`.

    Raises:
        ImageError: the bytes are in none of the supported formats.
        MissingExtraError: the picture is HEIC and ``pillow-heif`` is not installed.
    """
    if is_heic(data):
        return _open_heic(data, name)
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") >= 40:
        width = int.from_bytes(data[18:22], "little", signed=True)
        if width < 1:  # Pillow reads it as unsigned
            raise ImageError(
                f"{name}: expected a width of 1 pixel or more, got a damaged BMP file with {width}"
            )
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise _unidentified(data, name) from error
    # A decoder allocates the full tile, even if the picture covers little of it. Tiles up to 1 << 20 pixels are
    # allowed.
    tags = getattr(image, "tag_v2", {})
    tile = tags.get(322), tags.get(323)
    limit = Image.MAX_IMAGE_PIXELS or MAX_PIXELS
    if isinstance(tile[0], int) and isinstance(tile[1], int) and tile[0] * tile[1] > max(limit, 1 << 20):
        raise too_large(name, tile[0] * tile[1], limit)
    return image


def _unidentified(data: bytes, name: str) -> ImageError:
    """The error for bytes that no decoder takes."""
    if (known := format_read(data)) is not None:
        return ImageError(f"{name}: expected a picture, got a damaged {known} file: its header is broken")
    expected = f"{name}: expected a picture ({', '.join((*FORMATS, 'HEIC'))})"
    if (kind := other_kind(data)) is not None:
        return ImageError(f"{expected}, got {kind}")
    return ImageError(f"{expected}, got a file of another kind or a damaged one")


def is_heic(data: bytes) -> bool:
    """Whether the bytes begin like a HEIC picture."""
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[8:12], *(data[i : i + 4] for i in range(16, end, 4))}
    return not brands & _AVIF_BRANDS and bool(brands & _HEIC_BRANDS)


def _open_heic(data: bytes, name: str) -> Image.Image:
    try:
        import pillow_heif
    except ImportError:
        raise MissingExtraError(f"{name}: reading HEIC pictures", extra="heif") from None
    # Not register_heif_opener(): it would change Pillow's formats for the whole process.
    opened = pillow_heif.open_heif(io.BytesIO(data))
    width, height = opened.size
    limit = Image.MAX_IMAGE_PIXELS or MAX_PIXELS
    check_size(name, width, height, limit)  # before to_pillow(), which decodes
    image: Image.Image = opened.to_pillow()
    image.n_frames = len(opened)  # type: ignore[attr-defined]  # as Pillow's own formats have it
    return image


def is_large_tiff(path: str | os.PathLike[str]) -> bool:
    """Whether this is a TIFF file of at least :data:`LARGE_BYTES`."""
    try:
        if not Path(path).is_file() or Path(path).stat().st_size < LARGE_BYTES:
            return False
        with Path(path).open("rb") as file:
            return file.read(4) in _MAGIC
    except (OSError, ValueError):
        return False  # reading the file then raises the error
