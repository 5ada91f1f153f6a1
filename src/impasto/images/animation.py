"""Write frames as a film, atomically: MP4 and WebM with PyAV, GIF and WebP with Pillow.

Frames are encoded one at a time and then dropped, so memory does not grow with the film's length. Only GIF needs
pictures in advance, for its global palette: with one palette per frame, still parts of the picture would flicker.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import GifImagePlugin, Image

from impasto.errors import ImpastoError, MissingExtraError, ParameterError
from impasto.files import replacing
from impasto.images.writing import check_writable, target_of, write_error
from impasto.text import display_name, one_line

Frame = npt.NDArray[np.uint8]
"""(H, W, 3), sRGB."""

FILMS = {".mp4": "MP4", ".webm": "WebM", ".gif": "GIF", ".webp": "WebP"}
"""Suffix (lower case) -> format."""

_CODECS = {
    "MP4": {"libx264": {"crf": "17", "preset": "medium"}, "libopenh264": {}, "mpeg4": {"qscale": "3"}},
    "WebM": {"libvpx-vp9": {"crf": "24", "b": "0", "cpu-used": "4", "row-mt": "1"}, "libvpx": {"crf": "10"}},
}
"""Format -> encoders in the order of preference, with their options."""

_LONGEST_SIDE = {"MP4": 16_384, "WebM": 16_384, "GIF": 65_535, "WebP": 16_383}
_PALETTE_SIZE = 255  # colours of a GIF; index 255 is transparent, for unchanged pixels
_DITHER_AMPLITUDE = 20.0  # range of the dither pattern, in 8-bit values
_THUMBNAIL = 96  # side of the thumbnails that the palette is computed from, in pixels


@dataclass(frozen=True)
class Shape:
    """Size and frame rate as the format can store them.

    Attributes:
        size: (width, height); even for MP4 and WebM, which store colours at half the resolution.
        rate: frames per second; for GIF, 100 / n with an integer n, since its delays are in hundredths of a second.
    """

    size: tuple[int, int]
    rate: Fraction


def check_film(path: str | os.PathLike[str], size: tuple[int, int], rate: float) -> Shape:
    """Check, before any work, that :func:`write_film` can write a film; returns its size and rate.

    Args:
        path: of the film; an existing file will be replaced.
        size: (width, height).
        rate: frames per second.

    Raises:
        ParameterError: the suffix is not one of :data:`FILMS`, the size is too large for the format, or PyAV has no
            encoder for it.
        MissingExtraError: PyAV is not installed.
        OutputError: the folder is missing or not writable.
    """
    name, kind = display_name(path), _format(path)
    check_writable(path)
    if max(size) > _LONGEST_SIDE[kind]:
        raise ParameterError(
            f"{name}: {kind} allows at most {_LONGEST_SIDE[kind]} pixels a side, the film has {max(size)}"
        )
    exact = Fraction(rate).limit_denominator(1001)
    if kind == "GIF":
        exact = Fraction(100, max(2, round(100 / exact)))
    if kind in _CODECS:
        _codec(name, kind)
        size = (max(2, size[0] // 2 * 2), max(2, size[1] // 2 * 2))
    return Shape(size, exact)


def write_film(
    path: str | os.PathLike[str],
    frames: Iterable[Frame],
    count: int,
    shape: Shape,
    *,
    palette_frames: Sequence[Frame] = (),
) -> str:
    """Write a film atomically: after an error, the previous file is unchanged.

    Args:
        path: the suffix decides the format, see :data:`FILMS`.
        frames: ``count`` frames, all of ``shape.size``; consumed one at a time.
        shape: the value that :func:`check_film` returned.
        palette_frames: for GIF: pictures of any size to compute the palette from.

    Returns:
        the name of the encoder.

    Raises:
        OutputError: the file cannot be written.
    """
    kind, target = _format(path), target_of(path)
    try:
        with replacing(target) as file:
            if kind == "GIF":
                _write_gif(file, frames, shape, _palette(palette_frames))
                return "gif"
            if kind == "WebP":
                _write_webp(file, frames, count, shape)
                return "webp"
            return _write_video(file, frames, shape, kind, display_name(path))
    except ImpastoError:
        raise  # of the frames
    except Exception as error:
        raise write_error(path, error, what="film") from error


def _format(path: str | os.PathLike[str]) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in FILMS:
        got = repr(one_line(suffix)) if suffix else "none"
        raise ParameterError(
            f"{display_name(path)}: expected one of the suffixes {', '.join(FILMS)}, got {got}"
        )
    return FILMS[suffix]


# --- MP4 and WebM -------------------------------------------------------------------------------------------------


def _codec(name: str, kind: str) -> str:
    try:
        import av
    except ImportError:
        raise MissingExtraError(f"{name}: writing {kind}", extra="video") from None
    for codec in _CODECS[kind]:
        try:
            av.codec.Codec(codec, "w")
        except av.codec.codec.UnknownCodecError:
            continue
        return codec
    raise ParameterError(
        f"{name}: the installed PyAV has no encoder for {kind} ({', '.join(_CODECS[kind])}); write a .gif instead"
    )


def _write_video(file: IO[bytes], frames: Iterable[Frame], shape: Shape, kind: str, name: str) -> str:
    import av

    codec = _codec(name, kind)
    with av.open(file, "w", format=kind.lower()) as container:
        stream: Any = container.add_stream(codec, rate=shape.rate, options=_CODECS[kind][codec])
        stream.width, stream.height = shape.size
        stream.pix_fmt = "yuv420p"
        # Stored in the file, since players guess otherwise: BT.709 (ITU-R), from 16 to 235.
        codec_context = stream.codec_context
        codec_context.colorspace, codec_context.color_primaries = 1, 1
        codec_context.color_trc, codec_context.color_range = 1, 1
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            converted = picture.reformat(
                format="yuv420p", dst_colorspace="ITU709", src_color_range="JPEG", dst_color_range="MPEG"
            )
            container.mux(stream.encode(converted))
        container.mux(stream.encode())
    return codec


# --- GIF ----------------------------------------------------------------------------------------------------------


def _palette(palette_frames: Sequence[Frame]) -> Image.Image:
    """One palette for all these pictures, as a Pillow image for ``quantize``."""
    thumbnails = [Image.fromarray(each).resize((_THUMBNAIL, _THUMBNAIL)) for each in palette_frames]
    strip = Image.new("RGB", (_THUMBNAIL * len(thumbnails), _THUMBNAIL))
    for number, thumbnail in enumerate(thumbnails):
        strip.paste(thumbnail, (number * _THUMBNAIL, 0))
    return strip.quantize(_PALETTE_SIZE, method=Image.Quantize.MEDIANCUT, kmeans=2)


def _write_gif(file: IO[bytes], frames: Iterable[Frame], shape: Shape, palette: Image.Image) -> None:
    """GIF89a; each frame stores only the pixels that changed, within their bounding box."""
    width, height = shape.size
    table = bytes(palette.getpalette() or b"")[: 3 * _PALETTE_SIZE].ljust(768, b"\0")
    file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF7, 0, 0) + table)
    file.write(b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0")  # repeat forever
    pause = int(1000 / shape.rate)  # milliseconds
    before: Frame | None = None
    pending: tuple[Image.Image, tuple[int, int]] | None = None
    shown = 0  # milliseconds that the pending frame is shown
    for indices in _quantized(frames, palette):
        changed = np.ones(indices.shape, bool) if before is None else indices != before
        if pending is not None and not changed.any():
            shown += pause
            continue
        if pending is not None:
            _write_gif_frame(file, *pending, shown)
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        picture = Image.fromarray(np.where(changed[part], indices[part], np.uint8(_PALETTE_SIZE)), "P")
        picture.putpalette(table)
        pending, shown, before = (picture, (int(columns[0]), int(rows[0]))), pause, indices
    if pending is not None:
        _write_gif_frame(file, *pending, shown)
    file.write(b";")


def _write_gif_frame(file: IO[bytes], picture: Image.Image, corner: tuple[int, int], pause: int) -> None:
    # Disposal 1: the frame stays, and the next one is drawn over it.
    for block in GifImagePlugin.getdata(
        picture, corner, duration=pause, transparency=_PALETTE_SIZE, disposal=1
    ):
        file.write(block)


def _quantized(frames: Iterable[Frame], palette: Image.Image) -> Iterator[Frame]:
    """Frames as palette indices, with ordered dithering (Bayer 1973).

    The dither pattern is fixed, so it does not move where the picture is still, unlike error diffusion.
    """
    pattern = np.zeros((1, 1))
    for _ in range(3):
        pattern = np.block([[4 * pattern, 4 * pattern + 2], [4 * pattern + 3, 4 * pattern + 1]])
    dither = ((pattern + 0.5) / 64.0 - 0.5)[..., None] * _DITHER_AMPLITUDE
    for frame in frames:
        height, width = frame.shape[:2]
        tiled = np.tile(dither, (-(-height // 8), -(-width // 8), 1))[:height, :width]
        dithered = (frame + tiled).round().clip(0, 255).astype(np.uint8)
        yield np.asarray(Image.fromarray(dithered).quantize(palette=palette, dither=Image.Dither.NONE))


# --- WebP ---------------------------------------------------------------------------------------------------------


def _write_webp(file: IO[bytes], frames: Iterable[Frame], count: int, shape: Shape) -> None:
    sequence = _FrameSequence(frames, count)
    options: dict[str, Any] = {"duration": float(1000 / shape.rate), "loop": 0, "quality": 82, "method": 4}
    sequence.first.save(file, format="WEBP", save_all=True, append_images=[sequence], **options)


class _FrameSequence:
    """The part of Pillow's interface of multi-frame images that saving uses: frames are made one at a time."""

    def __init__(self, frames: Iterable[Frame], count: int) -> None:
        self._frames = iter(frames)
        self.first = Image.fromarray(next(self._frames))
        self.mode = self.first.mode
        self.n_frames = count - 1

    def seek(self, number: int) -> None:
        self._now = Image.fromarray(next(self._frames))

    def getim(self) -> object:
        return self._now.getim()
