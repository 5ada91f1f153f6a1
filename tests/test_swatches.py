"""The swatches: seeded, sized, worth looking at, and strict about what they are asked."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from PIL import Image

from impasto.errors import ParameterError
from impasto.swatches import SWATCHES, paint
from impasto.swatches.field import Picture, blur, noise
from impasto.swatches.landscape import landscape

SIZE = 64  # the canvas is 512 at least: smaller would not be quicker


@cache
def painted(name: str, seed: int = 0, size: int = SIZE) -> Picture:
    return paint(name, size=size, seed=seed)


@pytest.mark.parametrize("name", SWATCHES)
def test_shape_and_bytes(name: str) -> None:
    picture = painted(name)
    assert picture.shape == (SIZE, SIZE, 3)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("name", SWATCHES)
def test_same_seed_same_bytes(name: str) -> None:
    assert np.array_equal(painted(name), paint(name, size=SIZE, seed=0))


@pytest.mark.parametrize("name", SWATCHES)
def test_another_seed_another_picture_of_the_same_kind(name: str) -> None:
    first, second = painted(name).astype(float), painted(name, seed=1).astype(float)
    assert np.abs(first - second).mean() > 8
    assert np.abs(first.mean((0, 1)) - second.mean((0, 1))).max() < 50


@pytest.mark.parametrize("name", SWATCHES)
def test_not_flat(name: str) -> None:
    grey = painted(name).astype(float).mean(-1)
    low, high = np.percentile(grey, (1, 99))
    assert high - low > 90
    coarse = grey.reshape(8, SIZE // 8, 8, SIZE // 8).mean((1, 3))
    assert coarse.std() > 8, "there is a composition, not only texture"
    assert np.abs(np.diff(grey)).mean() > 3, "there is texture, not only a composition"


@pytest.mark.parametrize("name", SWATCHES)
def test_size_changes_fineness_not_composition(name: str) -> None:
    small, large = painted(name), painted(name, size=2 * SIZE)
    halved = large.reshape(SIZE, 2, SIZE, 2, 3).mean((1, 3))
    blocks = [p.astype(float).reshape(8, 8, 8, 8, 3).mean((1, 3)) for p in (small, halved)]
    assert np.abs(blocks[0] - blocks[1]).mean() < 6


def test_smallest_size() -> None:
    assert paint("points", size=32).shape == (32, 32, 3)


@pytest.mark.parametrize("size", [31, 4097, 0, -5])
def test_refuses_size(size: int) -> None:
    with pytest.raises(ParameterError, match=rf"size: expected 32 to 4096 pixels, got {size}"):
        paint("points", size=size)


def test_refuses_negative_seed() -> None:
    with pytest.raises(ParameterError, match="seed: expected 0 or more, got -1"):
        paint("points", seed=-1)


def test_refuses_unknown_name_and_suggests() -> None:
    with pytest.raises(ParameterError, match="did you mean 'mosaic'"):
        paint("mosiac")


def test_noise_is_standard() -> None:
    plane = noise(np.random.default_rng(3), 200, (3, 7))
    assert plane.shape == (200, 200)
    assert abs(float(plane.mean())) < 1e-4
    assert abs(float(plane.std()) - 1) < 1e-3


@pytest.mark.parametrize("radius", [0.01, 0.03, 0.1])
def test_blur_keeps_a_constant_and_widens_a_step(radius: float) -> None:
    assert np.allclose(blur(np.full((200, 200), 0.4, np.float32), radius), 0.4, atol=1e-5)
    step = np.zeros((200, 200), np.float32)
    step[:, 100:] = 1
    row = blur(step, radius)[100]
    # of a Gaussian step, 16 % and 84 % lie one deviation to either side of the edge
    width = (np.searchsorted(row, 0.84) - np.searchsorted(row, 0.16)) / 2 / 200
    assert width == pytest.approx(radius, rel=0.35)


def test_the_landscape_is_the_same_scene_at_every_size() -> None:
    large, small = landscape(256), landscape(64)
    assert large.shape == (192, 256, 3)
    assert large.dtype == np.uint8
    assert np.array_equal(small, landscape(64))
    means = [
        np.asarray(Image.fromarray(each).resize((8, 6), Image.Resampling.BOX), int) for each in (large, small)
    ]
    assert np.abs(means[0] - means[1]).mean() < 12
    sky, meadow = large[:60].mean(axis=(0, 1)), large[-20:].mean(axis=(0, 1))
    assert sky[2] > sky[0]
    assert meadow[1] > meadow[2]
