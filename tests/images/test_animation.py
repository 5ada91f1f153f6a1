"""Frames written as a film come back, one at a time, and whatever goes wrong leaves what was there."""

from __future__ import annotations

import builtins
import weakref
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from impasto.errors import ImageError, MissingExtraError, OutputError, ParameterError
from impasto.images import animation
from impasto.images.animation import Frame, check_film, write_film

SIZE = (50, 38)


def _frames(count: int, size: tuple[int, int] = SIZE) -> list[Frame]:
    """A soft gradient that a bright square moves over; the last three are the same."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    made = []
    for number in range(count):
        at = 3 * min(number, count - 3)
        frame = np.stack([4 * x, 5 * y, 255 - 2 * x - 2 * y], -1).clip(0, 255).astype(np.uint8)
        frame[8:20, at : at + 12] = (250, 220, 30)
        made.append(frame)
    return made


def _written(path: Path, frames: list[Frame], rate: float = 10.0) -> str:
    height, width = frames[0].shape[:2]
    shape = check_film(path, (width, height), rate)
    return write_film(path, iter(frames), len(frames), shape, palette_frames=[frames[0], frames[-1]])


def _decoded(path: Path) -> list[tuple[Frame, int]]:
    """The frames that Pillow sees, and their milliseconds."""
    found = []
    with PIL.Image.open(path) as film:
        for number in range(film.n_frames):  # type: ignore[attr-defined]
            film.seek(number)
            film.load()
            found.append((np.asarray(film.convert("RGB")), int(film.info["duration"])))
    return found


def _off(one: Frame, other: Frame) -> float:
    return float(np.sqrt(np.mean((one.astype(float) - other) ** 2)))


@pytest.mark.parametrize(("suffix", "encoder", "near"), [(".gif", "gif", 9.0), (".webp", "webp", 12.0)])
def test_pictures_that_move(tmp_path: Path, suffix: str, encoder: str, near: float) -> None:
    frames = _frames(9)
    path = tmp_path / f"film{suffix}"
    assert _written(path, frames) == encoder
    found = _decoded(path)
    assert sum(pause for _, pause in found) == 900
    assert [pause for _, pause in found] == [100] * 6 + [300]  # what stands still is kept once
    for (picture, _), frame in zip(found, frames, strict=False):
        assert picture.shape == frame.shape
        assert _off(picture, frame) < near
    with PIL.Image.open(path) as film:
        assert film.info["loop"] == 0


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "h264"), (".webm", "vp9")])
def test_video(tmp_path: Path, suffix: str, codec: str) -> None:
    av = pytest.importorskip("av")
    frames = _frames(12, (64, 48))
    path = tmp_path / f"film{suffix}"
    _written(path, frames)
    with av.open(path) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == codec
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.codec_context.colorspace == 1  # BT.709
        assert stream.average_rate == 10
        found = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(found) == 12
    for picture, frame in zip(found, frames, strict=True):
        assert (
            _off(picture[24:], frame[24:]) < 5.0
        )  # where no sharp colours are: they have half the resolution
        assert abs(picture[24:].mean((0, 1)) - frame[24:].mean((0, 1))).max() < 2.5


def test_a_gif_has_one_palette_and_grain_that_stands_still(tmp_path: Path) -> None:
    frames = _frames(9)
    _written(tmp_path / "film.gif", frames)
    data = (tmp_path / "film.gif").read_bytes()
    assert data[:6] == b"GIF89a"
    assert data[10] == 0xF7  # a global palette of 256
    found = [picture for picture, _ in _decoded(tmp_path / "film.gif")]
    assert len({tuple(colour) for picture in found for colour in picture.reshape(-1, 3)}) <= 255
    for one, other in pairwise(found):
        assert np.array_equal(one[22:], other[22:])  # below the square nothing moves
    # Neighbouring pixels make up for each other: the mean is right where no colour of the palette is.
    assert abs(found[0][22:].mean((0, 1)) - frames[0][22:].mean((0, 1))).max() < 2.0


@pytest.mark.parametrize("suffix", animation.FILMS)
def test_frames_are_forgotten_once_they_are_encoded(tmp_path: Path, suffix: str) -> None:
    if suffix in (".mp4", ".webm"):
        pytest.importorskip("av")
    made: list[weakref.ref[Any]] = []
    most = 0

    class Watched(np.ndarray):
        pass

    def frames() -> Iterator[Frame]:
        nonlocal most
        for frame in _frames(30, (64, 48)):
            watched = frame.copy().view(Watched)
            made.append(weakref.ref(watched))
            most = max(most, sum(each() is not None for each in made))
            yield watched

    path = tmp_path / f"film{suffix}"
    write_film(path, frames(), 30, check_film(path, (64, 48), 10.0), palette_frames=_frames(3))
    assert most <= 3


@pytest.mark.parametrize(
    ("name", "asked", "rate", "size", "exact"),
    [
        ("a.mp4", (51, 39), 25.0, (50, 38), Fraction(25)),
        ("a.webm", (1, 3), 29.97, (2, 2), Fraction(2997, 100)),
        ("a.gif", (51, 39), 30.0, (51, 39), Fraction(100, 3)),
        ("a.gif", (51, 39), 100.0, (51, 39), Fraction(50)),
        ("a.WEBP", (51, 39), 12.5, (51, 39), Fraction(25, 2)),
    ],
)
def test_what_a_format_makes_of_it(
    tmp_path: Path, name: str, asked: tuple[int, int], rate: float, size: tuple[int, int], exact: Fraction
) -> None:
    if name.lower().endswith(("mp4", "webm")):
        pytest.importorskip("av")
    shape = check_film(tmp_path / name, asked, rate)
    assert (shape.size, shape.rate) == (size, exact)


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ParameterError, match=r"film\.avi: expected one of the suffixes \.mp4, \.webm, \.gif, \.webp"
    ):
        check_film(tmp_path / "film.avi", SIZE, 10.0)
    with pytest.raises(ParameterError, match="got none"):
        check_film(tmp_path / "film", SIZE, 10.0)
    with pytest.raises(OutputError, match="there is no folder"):
        check_film(tmp_path / "missing" / "film.gif", SIZE, 10.0)
    with pytest.raises(ParameterError, match="at most 16383 pixels a side, the film has 20000"):
        check_film(tmp_path / "film.webp", (20_000, 10), 10.0)
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "av":
            raise ImportError
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"film\.mp4: writing MP4 needs .*impasto\[video\]"):
        check_film(tmp_path / "film.mp4", SIZE, 10.0)
    assert check_film(tmp_path / "film.gif", SIZE, 10.0).size == SIZE


def test_no_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("av")
    monkeypatch.setitem(animation._CODECS, "MP4", {"nothing-like-it": {}})
    with pytest.raises(ParameterError, match="no encoder for MP4"):
        check_film(tmp_path / "film.mp4", SIZE, 10.0)
    monkeypatch.setitem(animation._CODECS, "MP4", {"nothing-like-it": {}, "mpeg4": {"qscale": "3"}})
    assert _written(tmp_path / "film.mp4", _frames(5, (64, 48))) == "mpeg4"


@pytest.mark.parametrize("suffix", animation.FILMS)
@pytest.mark.parametrize("error", [KeyboardInterrupt(), ImageError("step-000004.png: damaged")])
def test_a_film_that_is_not_finished_is_not_there(tmp_path: Path, suffix: str, error: BaseException) -> None:
    if suffix in (".mp4", ".webm"):
        pytest.importorskip("av")
    path = tmp_path / f"film{suffix}"
    path.write_bytes(b"the one before")

    def frames() -> Iterator[Frame]:
        yield from _frames(7, (64, 48))[:5]
        raise error

    with pytest.raises(type(error)):
        write_film(path, frames(), 7, check_film(path, (64, 48), 10.0), palette_frames=_frames(3))
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"the one before"


@pytest.mark.parametrize("suffix", animation.FILMS)
def test_a_full_disk(tmp_path: Path, suffix: str) -> None:
    if suffix in (".mp4", ".webm"):
        pytest.importorskip("av")
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    real = animation.replacing

    def filling(target: Path) -> Any:
        return full.open("wb", buffering=0)

    path = tmp_path / f"film{suffix}"
    shape = check_film(path, (64, 48), 10.0)
    animation.replacing = filling  # type: ignore[assignment]
    try:
        with pytest.raises(
            OutputError, match=rf"film\{suffix}: cannot write the film: no space left on the disk"
        ):
            write_film(path, iter(_frames(7, (64, 48))), 7, shape, palette_frames=_frames(3))
    finally:
        animation.replacing = real
