"""Large TIFF files are read through libvips to the same pixels as through Pillow."""

from __future__ import annotations

import hashlib
import io
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from impasto.errors import ImageError
from impasto.images import large, opening, read, write

pytest.importorskip("pyvips", reason="the large extra is not installed")

COLOUR = np.random.default_rng(5).integers(0, 256, (37, 23, 3), dtype=np.uint8)


def _both(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[torch.Tensor, torch.Tensor, tuple[str, ...]]:
    """The picture read by Pillow, by libvips, and the notes of the latter."""
    plain = read(path)
    monkeypatch.setattr(opening, "LARGE_BYTES", 0)
    used = []
    real = large.read_tiff
    monkeypatch.setattr(large, "read_tiff", lambda *a, **k: used.append(real(*a, **k)) or used[-1])
    found = read(path)
    assert used[0] is not None
    assert found.sha256 == plain.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.name == plain.name
    assert (found.alpha is None) == (plain.alpha is None)
    if found.alpha is not None and plain.alpha is not None:
        assert torch.equal(found.alpha, plain.alpha)
    return plain.pixels, found.pixels, found.notes


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
def test_the_pixels_are_those_of_the_other_reader(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "picture.tif"
    alpha = np.arange(37 * 23, dtype=np.uint8).reshape(37, 23, 1)
    Image.fromarray(np.concatenate([COLOUR, alpha], 2)).convert(mode).save(path, compression="tiff_lzw")
    plain, found, notes = _both(path, monkeypatch)
    assert found.shape == (1, 3, 37, 23)
    assert found.dtype == torch.float32
    assert torch.equal(found, plain)
    assert notes == (("transparent pixels composited over white",) if "A" in mode else ())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_upright(orientation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "picture.tif"
    Image.fromarray(COLOUR).save(path, tiffinfo={274: orientation})
    plain, found, _ = _both(path, monkeypatch)
    assert torch.equal(found, plain)


def test_sixteen_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "picture.tiff"
    write(path, torch.rand(1, 3, 37, 23, generator=torch.Generator().manual_seed(1)), bits=16)
    plain, found, notes = _both(path, monkeypatch)
    assert torch.equal(found, plain)
    assert notes == ("16-bit kept",)


def test_a_replaced_file_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "LARGE_BYTES", 0)
    for value in (0.0, 1.0):
        write(tmp_path / "picture.tif", torch.full((1, 3, 300, 300), value))
        assert read(tmp_path / "picture.tif").pixels.unique().tolist() == [value]


def test_through_its_colour_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = tmp_path / "picture.tif"
    Image.fromarray(COLOUR).save(path, icc_profile=profile)
    plain, found, notes = _both(path, monkeypatch)
    assert (found - plain).abs().max() <= 2 / 255
    assert notes == ("colours converted to sRGB from its colour profile",)


def test_the_size_is_judged_from_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "LARGE_BYTES", 0)
    path = tmp_path / "picture.tif"
    Image.fromarray(COLOUR).save(path)
    with pytest.raises(ImageError, match=r"picture\.tif: the picture has 851 pixels, the limit is 850"):
        read(path, max_pixels=850)


def test_a_file_cut_short_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "LARGE_BYTES", 0)
    path = tmp_path / "picture.tif"
    buffer = io.BytesIO()
    Image.fromarray(np.tile(COLOUR, (8, 8, 1))).save(buffer, format="TIFF")
    whole = buffer.getvalue()
    directory = struct.unpack_from("<I", whole, 4)[0]
    assert directory < 1000  # the directory comes first: what is missing is pixels
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match=r"picture\.tif: expected a picture, got a damaged file: [^\n]+$"):
        read(path)


def test_kinds_that_are_not_read_here_go_to_the_other_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "LARGE_BYTES", 0)
    path = tmp_path / "picture.tif"
    Image.fromarray(np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)).save(path)
    assert read(path).pixels.shape == (1, 3, 3, 4)


def test_only_large_tiff_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiff, png = tmp_path / "a.tif", tmp_path / "a.png"
    Image.fromarray(COLOUR).save(tiff)
    Image.fromarray(COLOUR).save(png)
    assert not opening.is_large_tiff(tiff)
    monkeypatch.setattr(opening, "LARGE_BYTES", 100)
    assert opening.is_large_tiff(tiff)
    assert not opening.is_large_tiff(png)
    assert not opening.is_large_tiff(tmp_path)
    assert not opening.is_large_tiff(tmp_path / "missing.tif")


def test_without_the_extra_a_note_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "LARGE_BYTES", 100)
    monkeypatch.setattr(large, "available", lambda: False)
    path = tmp_path / "a.tif"
    Image.fromarray(COLOUR).save(path)
    assert read(path).notes == ("a large TIFF: pip install 'impasto[large]' reads it in less memory",)
