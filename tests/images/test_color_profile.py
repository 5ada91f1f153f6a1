"""Colours are converted through the embedded profile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impasto.images import read
from tests.images.pictures import VALUES, eight_bits, gamma_profile, hwc, srgb_profile


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L"])
def test_profile_is_applied(tmp_path: Path, mode: str) -> None:
    grey = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16)[:, :, None], 3, axis=2)
    path = tmp_path / "a.png"
    image = Image.fromarray(grey).convert(mode)
    image.save(path, icc_profile=gamma_profile(1.0))
    grey = np.asarray(image.convert("RGB"))  # a palette is coarser
    picture = read(path)
    linear = grey / 255
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(hwc(picture) - srgb).max() < 3 / 255
    assert picture.notes == ("colours converted to sRGB from test",)


def test_grey_profile_is_applied(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for bits, values in ((8, grey), (16, grey.astype(np.uint16) * 257)):
        path = tmp_path / "a.png"
        Image.fromarray(values).save(path, icc_profile=gamma_profile(1.0, b"GRAY"))
        picture = read(path)
        linear = grey / 255
        srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
        assert np.abs(hwc(picture)[:, :, 1] - srgb).max() < 3 / 255
        assert ("16-bit reduced to 8" in picture.notes) == (bits == 16)


def test_srgb_profile_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(VALUES).save(path, icc_profile=srgb_profile())
    picture = read(path)
    assert np.array_equal(eight_bits(picture), VALUES)
    assert picture.notes == ()


def test_broken_or_foreign_profile_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for profile, note in (
        (b"not a profile at all", "colour profile is broken, ignored"),
        (gamma_profile(1.0)[:150], "colour profile is broken, ignored"),
        (gamma_profile(1.0, b"GRAY"), "colour profile ignored: it is for grey pictures, this one is RGB"),
    ):
        Image.fromarray(VALUES).save(path, icc_profile=profile)
        picture = read(path)
        assert picture.notes == (note,)
        assert np.array_equal(eight_bits(picture), VALUES)
