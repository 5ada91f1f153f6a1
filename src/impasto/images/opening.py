"""A picture file as bytes, and those bytes as an opened (not yet decoded) Pillow image.

A picture comes from anywhere, so nothing here trusts it: not its suffix, its claimed size, or the type
of error it makes a decoder raise. Only formats on an allowlist are tried (no EPS, which starts
Ghostscript), and the size is judged from the header, before any pixel is allocated.
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError

from impasto.errors import ImageError, ImpastoError, MissingExtraError
from impasto.text import display_name, one_line

MAX_PIXELS = 100_000_000
"""The largest picture :func:`impasto.images.read` takes unless told otherwise, in pixels."""

MAX_BYTES = 1_000_000_000
"""The largest file that is read, in bytes."""

# Pillow's names. MPO pictures come through JPEG; TGA is left out because it has no signature, so any
# garbage may pass for one; EPS, PDF, WMF and the like are left out because they are programs, not pixels.
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "PPM", "JPEG2000", "ICO")
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}

# Pillow's limits and Python's warning filters belong to the process; one thread at a time may swap them.
_swapped_globals = threading.Lock()


def file_bytes(path: str | os.PathLike[str]) -> bytes:
    """All bytes of a regular file.

    Raises:
        ImageError: there is no such file, it may not be read, it is empty, larger than
            :data:`MAX_BYTES`, or not a regular file (a folder, a pipe, a device).
    """
    name = display_name(path)
    # Opening a pipe waits for its writer unless told not to; asking first is not enough, as the file
    # may be swapped in between.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):  # before opening: opening a device may do something
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
    """Runs decoders so that every way they fail is an :class:`ImageError` of one line.

    Yields a list that has, after the block, what the decoders warned about, one line each. Pillow's
    own pixel limit is set to ``max_pixels`` inside the block and put back after it: it also covers sizes
    that only a decoder sees (the tile of a TIFF, the picture inside an icon).
    """
    warned: list[str] = []
    with _swapped_globals, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
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
        # Damaged files make decoders raise nearly anything: OSError, SyntaxError, struct.error, zlib.error,
        # IndexError, OverflowError, ... A list of them would always be one short.
        except Exception as error:
            reason = one_line(error, limit=200) or type(error).__name__
            raise ImageError(f"{name}: expected a picture, got a damaged file: {reason}") from error
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = saved
            warned.extend(dict.fromkeys(one_line(w.message, limit=120) for w in caught))


def too_large(name: str, count: int | None, max_pixels: int) -> ImageError:
    """The error for a picture of ``count`` pixels where ``max_pixels`` are allowed."""
    got = "an unknown number of" if count is None else count
    return ImageError(f"{name}: the picture has {got} pixels, the limit is {max_pixels}")


def check_size(name: str, width: int, height: int, max_pixels: int) -> None:
    """Refuses a picture without pixels or with more than ``max_pixels``.

    Raises:
        ImageError: with the number of pixels and the limit.
    """
    if width < 1 or height < 1:
        raise ImageError(f"{name}: the picture has no pixels ({width} x {height})")
    if width * height > max_pixels:
        raise too_large(name, width * height, max_pixels)


def open_header(data: bytes, name: str) -> Image.Image:
    """Opens ``data`` without decoding pixels; to be called inside :func:`guarded`.

    Raises:
        ImageError: the bytes are in none of the formats read here.
        MissingExtraError: the picture is HEIC and ``pillow-heif`` is not installed.
    """
    if _is_heic(data):
        return _open_heic(data, name)
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        expected = ", ".join((*FORMATS, "HEIC"))
        raise ImageError(f"{name}: expected a picture ({expected}), got something else or damaged") from error
    # A tile is decoded whole, however little of it the picture uses; small ones are harmless.
    tags = getattr(image, "tag_v2", {})
    width, height = tags.get(322), tags.get(323)
    limit = Image.MAX_IMAGE_PIXELS or MAX_PIXELS
    if isinstance(width, int) and isinstance(height, int) and width * height > max(limit, 1 << 20):
        raise too_large(name, width * height, limit)
    return image


def _is_heic(data: bytes) -> bool:
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
    # Not register_heif_opener(): that would change what Pillow opens for the whole process.
    opened = pillow_heif.open_heif(io.BytesIO(data))
    width, height = opened.size
    limit = Image.MAX_IMAGE_PIXELS or MAX_PIXELS
    check_size(name, width, height, limit)  # here already, because to_pillow() decodes
    image: Image.Image = opened.to_pillow()
    return image
