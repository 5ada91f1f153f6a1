"""What is written comes back, and a write that fails leaves everything as it was."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from impasto.errors import ImageError, OutputError, ParameterError
from impasto.images import WRITABLE, check_output, opening, read, read_metadata, write, writing
from tests.conftest import ALL_MAY

EXACT = [(".png", 8), (".png", 16), (".tif", 8), (".tiff", 16)]
ALL = [*EXACT, (".jpg", 8), (".jpeg", 8), (".webp", 8)]
RECIPE = 'name = "Ébauche — 画 🖌"\r\n[style]\nweight = 1e5 # <&> "\']]>\n\ttab = true\n\n'


def _noise(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("suffix", "bits"), EXACT)
@pytest.mark.parametrize("size", [(1, 1), (1, 30), (30, 1), (37, 23), (600, 700)])
def test_exact_formats_give_back_every_step(
    tmp_path: Path, suffix: str, bits: int, size: tuple[int, int]
) -> None:
    steps = 2**bits - 1
    pixels = (_noise(*size) * steps).round() / steps
    path = tmp_path / f"a{suffix}"
    write(path, pixels, bits=bits, metadata=RECIPE)
    picture = read(path)
    assert torch.equal((picture.pixels * steps).round(), (pixels * steps).round())
    assert torch.allclose(picture.pixels, pixels, atol=1e-7)
    assert picture.notes == (("16-bit kept",) if bits == 16 else ())


@pytest.mark.parametrize(("suffix", "bits"), [*EXACT, (".webp", 8)])
def test_alpha_comes_back(tmp_path: Path, suffix: str, bits: int) -> None:
    steps = 2**bits - 1
    cover = (torch.linspace(0, 1, 37)[None, None, :, None].expand(1, 1, 37, 23) * steps).round() / steps
    path = tmp_path / f"a{suffix}"
    write(path, torch.cat([_noise(37, 23), cover], 1), bits=bits, metadata=RECIPE)
    with Image.open(path) as image:
        assert image.mode == "RGBA"
    found = read(path)
    assert found.alpha is not None
    assert torch.allclose(found.alpha, cover, atol=1e-6 if bits == 16 else 0.003)
    if suffix != ".webp":
        wanted = _noise(37, 23) * cover + 1 - cover
        assert torch.allclose(found.pixels, wanted, atol=0.6 / steps + 1e-6)


def test_jpeg_has_no_alpha(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", torch.zeros(1, 4, 16, 16))
    assert torch.equal(read(tmp_path / "a.jpg").pixels, torch.ones(1, 3, 16, 16))


@pytest.mark.parametrize(("suffix", "bits"), EXACT)
def test_other_readers_agree(tmp_path: Path, suffix: str, bits: int) -> None:
    path = tmp_path / f"a{suffix}"
    pixels = _noise(301, 400)
    write(path, pixels, bits=bits, metadata=RECIPE)
    wanted = np.rint(pixels[0].permute(1, 2, 0).numpy() * (2**bits - 1))
    if suffix == ".png":
        with Image.open(path) as image:  # keeps the high byte of 16
            assert np.array_equal(np.asarray(image), wanted // 256 if bits == 16 else wanted)
            assert image.info["srgb"] == 0
    else:
        came = tifffile.imread(path)
        assert came.dtype == (np.uint16 if bits == 16 else np.uint8)
        assert np.array_equal(came, wanted)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("big", [False, True])
def test_tiff_and_bigtiff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: Literal[8, 16], alpha: bool, big: bool
) -> None:
    height, width, channels = 300, 270, 4 if alpha else 3
    if big:
        monkeypatch.setattr(writing, "_CLASSIC_TIFF_BYTES", height * width * channels * bits // 8 - 1)
    pixels = torch.cat([_noise(height, width), _noise(height, width, seed=1)], 1)[:, :channels]
    path = tmp_path / "a.tif"
    write(path, pixels, bits=bits, metadata=RECIPE)

    wanted = np.rint(pixels[0].permute(1, 2, 0).numpy() * (2**bits - 1))
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff == big
        assert file.byteorder == "<"
        assert np.array_equal(file.asarray(), wanted)
        tags = {tag.name: tag.value for tag in file.pages[0].tags}
    assert tags.get("ExtraSamples") == ((tifffile.EXTRASAMPLE.UNASSALPHA,) if alpha else None)
    assert tags.keys().isdisjoint({"ImageDescription", "Software", "DateTime"})
    with Image.open(path) as image:
        assert image.mode == ("RGBA" if alpha else "RGB")
        assert np.array_equal(np.asarray(image), wanted // 256 if bits == 16 else wanted)
    picture = read(path)
    assert read_metadata(path) == RECIPE
    assert (picture.alpha is not None) == alpha
    assert ("16-bit kept" in picture.notes) == (bits == 16)


@pytest.mark.parametrize(("suffix", "largest"), [(".jpg", 8), (".webp", 30)])
def test_lossy_formats_come_close(tmp_path: Path, suffix: str, largest: int) -> None:
    x = torch.linspace(0, 1, 64)
    pixels = torch.stack([x.expand(48, 64), 1 - x.expand(48, 64), torch.full((48, 64), 0.3)])[None]
    path = tmp_path / f"a{suffix}"
    write(path, pixels)
    assert float((read(path).pixels - pixels).abs().max()) * 255 < largest
    low = tmp_path / f"low{suffix}"
    write(low, _noise(64, 64), quality=10)
    write(path, _noise(64, 64))
    assert low.stat().st_size < path.stat().st_size / 2


def test_jpeg_keeps_full_colour_resolution(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", _noise(16, 16))
    with Image.open(tmp_path / "a.jpg") as image:
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3


def test_values_are_rounded_and_clamped(tmp_path: Path) -> None:
    values = (
        torch.tensor([-1.0, 0.6 / 255, 0.4 / 255, 254.6 / 255, 3.0]).reshape(1, 1, 1, 5).repeat(1, 3, 1, 1)
    )
    write(tmp_path / "a.png", values)
    assert (read(tmp_path / "a.png").pixels[0, 0, 0] * 255).round().tolist() == [0, 1, 0, 255, 255]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_float_type_is_taken(tmp_path: Path, dtype: torch.dtype) -> None:
    write(tmp_path / "a.png", torch.full((1, 3, 2, 2), 0.5, dtype=dtype, requires_grad=True))
    assert (read(tmp_path / "a.png").pixels * 255).round().unique().tolist() == [128]


# --- metadata ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "bits"), ALL)
@pytest.mark.parametrize("text", [RECIPE, "", "x" * 40_000, "&amp;&#13;<impasto:recipe>"])
def test_metadata_comes_back(tmp_path: Path, suffix: str, bits: int, text: str) -> None:
    path = tmp_path / f"a{suffix}"
    write(path, _noise(5, 6), bits=bits, metadata=text)
    assert read_metadata(path) == text


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], include_characters="\n\r\t")))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_comes_back(tmp_path: Path, text: str) -> None:
    for suffix in (".png", ".jpg", ".webp", ".tif"):
        path = tmp_path / f"a{suffix}"
        try:
            write(path, torch.zeros(1, 3, 1, 1), metadata=text)
        except ParameterError:
            assert "\ufffe" in text or "\uffff" in text
        else:
            assert read_metadata(path) == text


@pytest.mark.parametrize("suffix", WRITABLE)
def test_no_metadata_is_one_line(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write(path, _noise(5, 6))
    with pytest.raises(ImageError, match="a picture without one"):
        read_metadata(path)


def test_metadata_of_a_tiff_too_large_to_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "LARGE_BYTES", 0)
    monkeypatch.setattr(opening, "MAX_BYTES", 100)
    path = tmp_path / "a.tif"
    write(path, _noise(20, 20), metadata=RECIPE)
    assert read_metadata(path) == RECIPE
    write(path, _noise(20, 20))
    with pytest.raises(ImageError, match="a picture without one"):
        read_metadata(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ImageError, match=r"a\.tif: expected a picture, got a damaged file: [^\n]+$"):
        read_metadata(path)


def test_metadata_of_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ImageError):
        read_metadata(tmp_path / "a.png")
    with pytest.raises(ImageError, match="no such file"):
        read_metadata(tmp_path / "b.png")


@pytest.mark.parametrize("bad", ["a\0b", "\x1b", "\ud800"])
def test_metadata_must_be_text(tmp_path: Path, bad: str) -> None:
    with pytest.raises(ParameterError, match="metadata"):
        write(tmp_path / "a.png", _noise(2, 2), metadata=bad)
    assert list(tmp_path.iterdir()) == []


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "bits", "error"),
    [
        ("a.xyz", 8, ParameterError),
        ("a", 8, ParameterError),
        (".png", 8, ParameterError),
        ("a.jpg", 16, ParameterError),
        ("a.webp", 16, ParameterError),
        ("a.png", 12, ParameterError),
        ("none/a.png", 8, OutputError),
        ("folder.png", 8, OutputError),
        ("file.txt/a.png", 8, OutputError),
        ("a\0.png", 8, OutputError),
    ],
)
def test_refused_before_any_work(tmp_path: Path, name: str, bits: int, error: type[Exception]) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file.txt").touch()
    before = sorted(tmp_path.iterdir())
    for attempt in (
        lambda: check_output(tmp_path / name, bits=bits),
        lambda: write(tmp_path / name, _noise(2, 2), bits=bits),  # type: ignore[arg-type]
    ):
        with pytest.raises(error) as caught:
            attempt()
        assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


def test_check_output_leaves_nothing(tmp_path: Path) -> None:
    for suffix in WRITABLE:
        check_output(tmp_path / f"a{suffix.upper()}")
    check_output(tmp_path / "a.tif", bits=16)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(ALL_MAY, reason="root may write everywhere, and Windows knows no such permission")
def test_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="permission"):
        write(tmp_path / "a.png", _noise(2, 2))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, bad: float) -> None:
    pixels = _noise(2, 2)
    pixels[0, 1, 1, 0] = bad
    with pytest.raises(OutputError, match="1 of 12 values"):
        write(tmp_path / "a.png", pixels)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "bad",
    [
        torch.zeros(3, 2, 2),
        torch.zeros(1, 1, 2, 2),
        torch.zeros(1, 3, 0, 2),
        torch.zeros(1, 3, 2, 2, dtype=torch.uint8),
    ],
)
def test_shape_and_type_are_checked(tmp_path: Path, bad: torch.Tensor) -> None:
    with pytest.raises(ParameterError, match=r"\(1, 3, H, W\)"):
        write(tmp_path / "a.png", bad)


def test_too_wide_and_bad_quality(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="16383 pixels a side, the picture has 16384"):
        write(tmp_path / "a.webp", torch.zeros(1, 3, 1, 16384))
    with pytest.raises(ParameterError, match="quality"):
        write(tmp_path / "a.jpg", _noise(2, 2), quality=0)
    with pytest.raises(OutputError):  # one JPEG segment is 64 kB
        write(tmp_path / "a.jpg", _noise(2, 2), metadata="x" * 70_000)
    assert list(tmp_path.iterdir()) == []


# --- wholly or not at all ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", WRITABLE)
@pytest.mark.parametrize(
    "failure", [OSError(errno.ENOSPC, "full"), ValueError("two\nlines"), MemoryError(), KeyboardInterrupt()]
)
def test_failure_in_the_middle_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, failure: BaseException
) -> None:
    path = tmp_path / f"a{suffix}"
    write(path, _noise(20, 20))
    old = path.read_bytes()
    encode = writing._encode

    def fails_late(file, *rest):  # type: ignore[no-untyped-def]
        encode(file, *rest)
        raise failure

    monkeypatch.setattr(writing, "_encode", fails_late)
    expected = OutputError if isinstance(failure, Exception) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        write(path, _noise(30, 30, seed=1))
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    if isinstance(failure, OSError):
        assert "no space left" in str(caught.value)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_failure_between_two_pieces_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    samples = writing._Raster.samples
    done: list[slice] = []

    def stops(raster: writing._Raster, rows: slice, *columns: slice) -> object:
        done.append(rows)
        if len(done) == 3:
            raise KeyboardInterrupt
        return samples(raster, rows, *columns)

    monkeypatch.setattr(writing._Raster, "samples", stops)
    monkeypatch.setattr(writing, "_BAND_BYTES", 10_000)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / f"a{suffix}", _noise(600, 600))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_failure_at_the_end_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os if step == "fsync" else Path, step, fails)
    with pytest.raises(OutputError, match=r"a\.png: cannot write the picture: Input/output error"):
        write(path, _noise(3, 3))
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_what_is_not_a_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="something else"):
        write(tmp_path / "a.png", _noise(3, 3))


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX's")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_any_new_file(tmp_path: Path, mask: int) -> None:
    old = os.umask(mask)
    try:
        write(tmp_path / "a.png", _noise(2, 2))
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o666 & ~mask


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "a.png").symlink_to(tmp_path / "real" / "b.png")
    write(tmp_path / "a.png", _noise(2, 2))
    assert (tmp_path / "a.png").is_symlink()
    read(tmp_path / "real" / "b.png")


def test_longest_name(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 251 + ".png")
    write(path, _noise(2, 2))
    read(path)


def test_the_same_picture_makes_the_same_bytes(tmp_path: Path) -> None:
    for suffix in WRITABLE:
        if suffix == ".webp" and not features.check("webp"):
            continue
        for name in ("a", "b"):
            write(tmp_path / f"{name}{suffix}", _noise(40, 30), metadata=RECIPE)
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
