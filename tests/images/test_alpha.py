"""Transparent pixels are composited over white, and alpha comes with the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from impasto.images import read
from tests.images.pictures import VALUES, eight_bits, hwc


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_alpha_is_flattened_on_white(mode: str) -> None:
    alpha = np.random.default_rng(2).integers(0, 256, VALUES.shape[:2], dtype=np.uint8)
    image = Image.fromarray(VALUES).convert({"RGBA": "RGB", "LA": "L", "PA": "P"}[mode])
    colour = np.asarray(image.convert("RGB")) / 255
    if mode == "PA":
        image = image.convert("PA")
    image.putalpha(Image.fromarray(alpha))
    picture = read(image)
    share = alpha[:, :, None] / 255
    assert np.allclose(hwc(picture), colour * share + 1 - share, atol=1e-6)
    assert picture.notes == ("transparent pixels composited over white",)
    assert picture.alpha is not None
    assert picture.alpha.shape == (1, 1, *alpha.shape)
    assert np.allclose(picture.alpha[0, 0].numpy(), alpha / 255, atol=1e-6)


def test_opaque_alpha_is_not_worth_a_note() -> None:
    picture = read(Image.fromarray(VALUES).convert("RGBA"))
    assert picture.notes == ()
    assert picture.alpha is None
    assert read(np.dstack([VALUES, np.full(VALUES.shape[:2], 255, np.uint8)])).alpha is None
    seen_through = read(np.dstack([VALUES, np.full(VALUES.shape[:2], 51, np.uint8)])).alpha
    assert seen_through is not None and torch.allclose(seen_through, torch.tensor(0.2))


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "1"])
def test_a_transparent_colour_becomes_white(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGB", (6, 4), "white" if mode == "1" else "black")
    image.paste((0, 0, 0) if mode == "1" else (255, 0, 0), (0, 0, 3, 4))
    image = image.convert(mode)
    path = tmp_path / "a.png"
    image.save(path, transparency=(0, 0, 0) if mode == "RGB" else image.getpixel((5, 0)))
    picture = read(path)
    assert "transparent pixels composited over white" in picture.notes
    assert bool((picture.pixels[..., 3:] == 1).all())
    assert np.array_equal(eight_bits(picture)[:, :3], np.asarray(image.convert("RGB"))[:, :3])
