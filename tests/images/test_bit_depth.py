"""More than 8 bits a channel are kept, or a note says that they are not."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from impasto.errors import ImageError
from impasto.images import read
from tests.images.pictures import gamma_profile, hwc, srgb_profile


def _png16(values: np.ndarray, *, key: tuple[int, ...] | None = None) -> bytes:
    """A 16-bit PNG, (H, W), (H, W, 2), (H, W, 3) or (H, W, 4), written plainly."""
    channels = 1 if values.ndim == 2 else values.shape[2]

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0)
    tail = chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)) if key else b""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + tail
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


DEEP = np.random.default_rng(3).integers(0, 65536, (9, 13, 4), dtype=np.uint16)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_png_is_kept(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "a.png"
    values = DEEP[:, :, 0] if channels == 1 else DEEP[:, :, :channels]
    path.write_bytes(_png16(values))
    picture = read(path)
    wanted = DEEP[:, :, :3] / 65535 if channels > 1 else np.repeat(DEEP[:, :, :1], 3, axis=2) / 65535
    if channels == 4:
        share = DEEP[:, :, 3:] / 65535
        wanted = wanted * share + 1 - share
    assert np.abs(hwc(picture) - wanted).max() < 1e-6
    assert "16-bit kept" in picture.notes


def test_16_bit_png_grey_with_alpha_is_reduced_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(_png16(DEEP[:, :, :2]))
    picture = read(path)
    share = DEEP[:, :, 1] / 65535
    assert np.abs(hwc(picture)[:, :, 0] - (DEEP[:, :, 0] / 65535 * share + 1 - share)).max() < 2 / 255
    assert "16-bit reduced to 8" in picture.notes


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_transparent_colour(tmp_path: Path, channels: int) -> None:
    values = DEEP[:, :, 0].copy() if channels == 1 else DEEP[:, :, :3].copy()
    values[2, 3] = 1000
    values[4, 5] = 1001  # the same in 8 bits
    path = tmp_path / "a.png"
    path.write_bytes(_png16(values, key=(1000,) * channels))
    pixels = hwc(read(path))
    assert pixels[2, 3].tolist() == [1, 1, 1]
    assert np.allclose(pixels[4, 5], 1001 / 65535, atol=1e-6)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite", "rgb"])
def test_16_bit_tiff_is_kept(tmp_path: Path, order: str, compression: str | None, photometric: str) -> None:
    if (order, photometric) == (">", "miniswhite"):
        pytest.skip("Pillow does not read it")
    path = tmp_path / "a.tif"
    values = DEEP[:, :, :3] if photometric == "rgb" else DEEP[:, :, 0]
    tifffile.imwrite(path, values, photometric=photometric, compression=compression, byteorder=order)
    wanted = values / 65535 if photometric == "rgb" else np.repeat(values[:, :, None], 3, axis=2) / 65535
    picture = read(path)
    assert np.allclose(hwc(picture), 1 - wanted if photometric == "miniswhite" else wanted, atol=1e-6)
    assert picture.notes == ("16-bit kept",)


def test_16_bit_ppm_says_what_became_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.ppm"
    path.write_bytes(b"P6 13 9 65535\n" + DEEP[:, :, :3].astype(">u2").tobytes())
    picture = read(path)
    assert picture.notes == ("16-bit reduced to 8",)
    assert np.abs(hwc(picture) - DEEP[:, :, :3] / 65535).max() < 1 / 255
    path.write_bytes(b"P5 13 9 65535\n" + DEEP[:, :, 0].astype(">u2").tobytes())
    picture = read(path)
    assert picture.notes == ("16-bit kept",)
    assert np.allclose(hwc(picture)[:, :, 0], DEEP[:, :, 0] / 65535, atol=1e-6)


def test_16_bit_with_another_profile_is_reduced(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, DEEP[:, :, :3], photometric="rgb", iccprofile=gamma_profile(1.0))
    assert read(path).notes == ("colours converted to sRGB from test", "16-bit reduced to 8")
    tifffile.imwrite(path, DEEP[:, :, :3], photometric="rgb", iccprofile=srgb_profile())
    assert read(path).notes == ("16-bit kept",)


def test_float_files(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 24, dtype=np.float32).reshape(4, 6)
    path = tmp_path / "a.tif"
    Image.fromarray(values).save(path)
    assert np.array_equal(hwc(read(path))[:, :, 2], values)
    for bad in (values * 2, values - 1, np.where(values > 0.5, np.nan, values)):
        Image.fromarray(bad.astype(np.float32)).save(path)
        with pytest.raises(ImageError, match=r"a\.tif: expected finite values in \[0, 1\]"):
            read(path)
