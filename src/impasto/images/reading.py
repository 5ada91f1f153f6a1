"""Read any picture into a (1, 3, H, W) float32 tensor of sRGB values in [0, 1], with notes on conversions.

The steps, always in this order: check the size in the header, decode the first frame, convert colours from the
embedded profile, keep 16 bits where possible, turn upright, composite transparent pixels over white.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
import torch
from PIL import Image

from impasto.errors import ImageError
from impasto.geometry import Size, size_of
from impasto.images import large
from impasto.images.alpha import choose_background
from impasto.images.arrays import from_array, from_tensor
from impasto.images.complaints import AS_FAR_AS_POSSIBLE, plain_words
from impasto.images.decoding import decode
from impasto.images.opening import MAX_PIXELS, check_size, file_bytes, guarded, is_large_tiff, open_header
from impasto.images.samples import Array, Floats, block_means, shrink_factor, to_planes
from impasto.text import display_name, one_line

Source = str | os.PathLike[str] | Image.Image | Array | torch.Tensor | bytes | BinaryIO
"""A picture: a path, a file's content, an open file, a PIL image, an array (H, W[, C]) or a tensor ([C, ]H, W)."""


def in_memory(source: object) -> bool:
    """Whether ``source`` is a picture in memory, or an open file, rather than a path or no picture at all."""
    kinds = Image.Image | np.ndarray | torch.Tensor | bytes | bytearray | memoryview
    return isinstance(source, kinds) or hasattr(source, "read")


def as_list(pictures: Source | Iterable[Source]) -> list[Source]:
    """One picture as a list of one; several pictures, in any iterable, as a list."""
    if isinstance(pictures, str | os.PathLike) or in_memory(pictures) or not isinstance(pictures, Iterable):
        return [cast(Source, pictures)]
    return list(cast(Iterable[Source], pictures))


@dataclass(frozen=True)
class Picture:
    """A picture as read.

    Attributes:
        pixels: (1, 3, H, W) float32, sRGB in [0, 1], contiguous, on the CPU, without gradient.
        name: the file's base name, or ``<image>``, ``<array>``, ``<tensor>``, ``<bytes>`` for a picture in memory.
        sha256: of the file's bytes; for samples in memory, of the height, the width and the pixels.
        notes: conversions and problems, one short line each.
        alpha: (1, 1, H, W) float32 in [0, 1], 0 where the picture is fully transparent; None if all is opaque.
        background: the grey that transparent pixels are composited over, 1 (white) or 0 (black).
        original_size: (height, width) of the picture, where it was read reduced; else None.
    """

    pixels: torch.Tensor
    name: str
    sha256: str
    notes: tuple[str, ...]
    alpha: torch.Tensor | None = None
    background: float = 1.0
    original_size: Size | None = None

    @property
    def size(self) -> Size:
        """(height, width) of the picture, before any reduction."""
        return self.original_size or size_of(self.pixels)


def read(source: Source, *, max_pixels: int = MAX_PIXELS, shrink_to: int = 0) -> Picture:
    """Read a picture from a file or from memory. The source is never changed.

    Args:
        source: a path; the content of a file as bytes, or an open binary file; a Pillow image; an array (H, W) or
            (H, W, C), or a tensor (H, W) or (C, H, W), also as a batch of one. One channel is grey, two are grey
            and alpha, three RGB, in this order, four RGB and alpha. Values are float in [0, 1], bool, uint16, or
            whole numbers up to 255.
        max_pixels: the largest width x height accepted, checked before decoding.
        shrink_to: a file's picture at least twice this large may be read reduced, with both sides at least this
            many pixels, which takes much less memory; 0 reads every pixel.

    Raises:
        ImageError: the picture cannot be read, is damaged, has no pixels or more than ``max_pixels``,
            or has values that are not finite or are outside the range.
        MissingExtraError: the file is HEIC and ``pillow-heif`` is not installed.
    """
    notes: list[str] = []
    if isinstance(source, torch.Tensor):
        return _in_memory("<tensor>", *from_tensor(source, max_pixels, notes), notes)
    if isinstance(source, np.ndarray):
        return _in_memory("<array>", *from_array(source, max_pixels, notes), notes)
    if isinstance(source, Image.Image):
        with guarded("<image>", max_pixels=max_pixels) as warned:
            check_size("<image>", *source.size, max_pixels)
            pixels, alpha = decode(source, None, "<image>", notes)
        return _in_memory("<image>", pixels, alpha, [*notes, *_damage(warned, notes)])
    if isinstance(source, (str, os.PathLike)):
        return _from_file(source, max_pixels, shrink_to)
    if isinstance(source, bytes | bytearray | memoryview) or hasattr(source, "read"):
        return _from_bytes("<bytes>", _content(source), max_pixels, shrink_to, notes)
    raise ImageError(  # callers are not all type-checked
        "expected a path, bytes, an open file, a Pillow image, an array or a tensor, "
        f"got {type(source).__name__}"
    )


def _content(source: bytes | BinaryIO) -> bytes:
    """The bytes of a file's content, or of an open file from its start."""
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    try:
        if source.seekable():
            source.seek(0)
        data = source.read()
    except (OSError, ValueError, AttributeError) as error:
        raise ImageError(f"<bytes>: cannot read the picture: {one_line(error)}") from error
    if not isinstance(data, bytes):
        raise ImageError(f"<bytes>: expected a file opened in binary mode, got {type(data).__name__} from it")
    return data


def _from_file(path: str | os.PathLike[str], max_pixels: int, shrink_to: int) -> Picture:
    name = display_name(path)
    notes: list[str] = []
    if is_large_tiff(path):
        if large.available():
            found = large.read_tiff(path, name, max_pixels=max_pixels, shrink_to=shrink_to)
            if found is not None:
                planes, alpha, size, digest, notes = found
                return _picture(name, torch.from_numpy(planes[None]), alpha, digest, notes, size)
        else:
            notes.append("a large TIFF: pip install 'impasto[large]' reads it in less memory")
    return _from_bytes(name, file_bytes(path), max_pixels, shrink_to, notes)


def _from_bytes(name: str, data: bytes, max_pixels: int, shrink_to: int, notes: list[str]) -> Picture:
    if not data:
        raise ImageError(f"{name}: expected a picture, got no bytes")
    with guarded(name, max_pixels=max_pixels) as warned:
        image = open_header(data, name)
        check_size(name, *image.size, max_pixels)
        drafted = image.size if image.format in ("JPEG", "MPO") else None
        pixels, alpha = decode(image, data, name, notes, shrink_to=shrink_to)
        # The size in a container's header may differ from the decoded picture's (in icons, for example).
        check_size(name, *image.size, max_pixels)
    notes.extend(_damage(warned, notes))
    height, width = pixels.shape[:2]
    if drafted is not None:
        short, long = sorted(drafted)
        size = (long, short) if height > width else (short, long)
    else:
        size = height, width
    shrink = shrink_factor(min(height, width), shrink_to)
    if alpha is not None:
        alpha = block_means(alpha[None], shrink)[0]
    digest = hashlib.sha256(data).hexdigest()
    return _picture(name, to_planes(pixels, shrink), alpha, digest, notes, size)


def _damage(warned: list[str], notes: list[str]) -> list[str]:
    """The note about decoders' warnings, unless damage is noted already."""
    if not warned or any(note.startswith("file is damaged") for note in notes):
        return []
    return [f"{AS_FAR_AS_POSSIBLE}: {plain_words(warned[0])}"]


def _in_memory(name: str, pixels: Array, alpha: Floats | None, notes: list[str]) -> Picture:
    tensor = to_planes(pixels)
    digest = hashlib.sha256(b"%d %d " % tensor.shape[2:])
    digest.update(tensor.numpy().astype("<f4", copy=False).data)
    if alpha is not None:
        digest.update(alpha.astype("<f4", copy=False).tobytes())
    return _picture(name, tensor, alpha, digest.hexdigest(), notes, size_of(tensor))


def _picture(
    name: str, tensor: torch.Tensor, alpha: Floats | None, digest: str, notes: list[str], size: Size
) -> Picture:
    background = 1.0 if alpha is None else choose_background(tensor[0].numpy(), alpha, notes)
    reduced = size != size_of(tensor)
    if reduced:
        height, width = size_of(tensor)
        notes.append(
            f"its {size[1]}x{size[0]} pixels read reduced to {width}x{height}, enough for this result"
        )
    # (H, W) -> (1, 1, H, W).
    plane = None if alpha is None else torch.from_numpy(np.array(alpha, np.float32)[None, None])
    return Picture(tensor, name, digest, tuple(notes), plane, background, size if reduced else None)
