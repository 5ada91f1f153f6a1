"""Very large pictures may be read reduced, others are not changed; odd looks are noted."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from impasto.images import opening, read
from impasto.images.appearance import odd_looks
from impasto.swatches import paint

SMOOTH = Image.fromarray(paint("waves", size=64)).resize((400, 256), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_picture_is_read_reduced(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    SMOOTH.save(path, exif=exif)
    whole, same, reduced = read(path), read(path, shrink_to=129), read(path, shrink_to=30)
    assert torch.equal(whole.pixels, same.pixels) and whole.notes == same.notes
    assert min(reduced.pixels.shape[2:]) in range(30, 60)
    assert reduced.size == whole.size == ((256, 400) if orientation == 1 else (400, 256))
    assert reduced.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert any("read reduced" in note for note in reduced.notes)
    averaged = F.interpolate(whole.pixels, tuple(reduced.pixels.shape[2:]), mode="bilinear", antialias=True)
    assert float((averaged - reduced.pixels).abs().mean()) < 0.02


def test_a_jpeg_is_decoded_reduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SMOOTH.save(tmp_path / "a.jpg")
    decoded: list[tuple[int, int]] = []
    asarray = np.asarray

    def seen(given: object, *more: object, **named: object) -> np.ndarray:
        if isinstance(given, Image.Image):
            decoded.append(given.size)
        return asarray(given, *more, **named)

    monkeypatch.setattr(np, "asarray", seen)
    read(tmp_path / "a.jpg", shrink_to=30)
    assert set(decoded) == {(50, 32)}


def test_alpha_is_reduced_too(tmp_path: Path) -> None:
    values = np.dstack([np.asarray(SMOOTH), np.tile(np.arange(400) > 200, (256, 1)) * np.uint8(255)])
    Image.fromarray(values).save(tmp_path / "a.png")
    picture = read(tmp_path / "a.png", shrink_to=30)
    assert picture.alpha is not None and picture.alpha.shape[2:] == picture.pixels.shape[2:]
    assert float(picture.alpha[..., :20].max()) == 0 and float(picture.alpha[..., 30:].min()) == 1


def test_a_large_tiff_is_read_reduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyvips")
    SMOOTH.save(tmp_path / "a.tif")
    plain = read(tmp_path / "a.tif", shrink_to=30)
    monkeypatch.setattr(opening, "LARGE_BYTES", 100)
    banded = read(tmp_path / "a.tif", shrink_to=30)
    assert torch.allclose(banded.pixels, plain.pixels, atol=1e-6)
    assert (banded.size, banded.notes, banded.sha256) == (plain.size, plain.notes, plain.sha256)


def test_odd_looks_are_noted() -> None:
    values = np.asarray(SMOOTH)
    assert odd_looks(read(values)) == []
    assert odd_looks(read(np.full((9, 9, 3), 77, np.uint8))) == ["nearly one colour"]
    assert odd_looks(read(np.zeros((9, 9, 4), np.uint8))) == []
    for bits in (10, 12):
        deep = values.astype(np.uint16) * (1 << (bits - 8)) + 1
        (note,) = odd_looks(read(deep))
        assert f"{bits}-bit data in a 16-bit file; multiply its values by {1 << (16 - bits)}" in note
        assert odd_looks(read(deep * (1 << (16 - bits)))) == []


@pytest.mark.parametrize("form", ["file", "palette", "array"])
def test_a_white_drawing_is_put_on_black(tmp_path: Path, form: str) -> None:
    inside = np.zeros((20, 30), np.uint8)
    inside[5:15, 5:15] = 255
    drawing = np.dstack([np.full((20, 30, 3), 255, np.uint8), inside])
    if form == "array":
        picture = read(drawing)
    else:
        image = Image.fromarray(drawing)
        (image.quantize(8) if form == "palette" else image).save(tmp_path / "a.png")
        picture = read(tmp_path / "a.png")
    assert picture.background == 0
    assert picture.notes == ("transparent pixels composited over black, since all others are white",)
    assert torch.equal(picture.pixels[0, 0], torch.from_numpy(inside / np.float32(255)))
