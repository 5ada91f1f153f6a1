"""Sizes and levels."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from impasto.engine.pyramid import sizes, split
from impasto.errors import ParameterError
from impasto.geometry import fit, measure, resize

sides = st.integers(1, 5000)


@given(sides, sides, st.integers(16, 3000), st.sampled_from(["long", "short", "height", "area"]))
def test_fit_sets_its_measure_and_keeps_proportions(height: int, width: int, pixels: int, how: str) -> None:
    fitted = fit((height, width), pixels, how)  # type: ignore[arg-type]
    scale = pixels / measure((height, width), how)  # type: ignore[arg-type]
    assert fitted[0] == pytest.approx(max(1, height * scale), abs=0.51)
    assert fitted[1] == pytest.approx(max(1, width * scale), abs=0.51)


def test_fit_knows_its_special_cases() -> None:
    assert fit((30, 40), 0) == (30, 40)
    assert fit((30, 40), 400, enlarge=False) == (30, 40)
    assert fit((30, 40), 20, enlarge=False) == (15, 20)
    with pytest.raises(ParameterError, match="did you mean 'short'"):
        fit((30, 40), 20, "shrt")  # type: ignore[arg-type]


@given(sides, sides, st.integers(16, 512), st.floats(1.2, 4.0))
def test_sizes_grow_to_the_last(height: int, width: int, smallest: int, ratio: float) -> None:
    all_sizes = sizes((height, width), smallest=smallest, ratio=ratio)
    assert all_sizes[-1] == (height, width)
    long_sides = [max(size) for size in all_sizes]
    assert long_sides == sorted(long_sides)
    assert len(all_sizes) == 1 or smallest / ratio <= long_sides[0] + 1
    if max(height, width) <= smallest:
        assert len(all_sizes) == 1


def test_crowsons_scales() -> None:
    long_sides = [max(s) for s in sizes((384, 512), smallest=128, ratio=2**0.5)]
    assert long_sides == [128, 181, 256, 362, 512]
    assert split(3000, 5, first=2.0) == [1000, 500, 500, 500, 500]


@given(st.integers(1, 5000), st.integers(1, 8), st.floats(0.5, 3.0))
def test_split_shares_out_what_there_is(iterations: int, levels: int, coarser: float) -> None:
    counts = split(iterations, levels, coarser=coarser)
    assert len(counts) == levels
    assert min(counts) >= 1
    assert abs(sum(counts) - max(iterations, levels)) <= levels


def test_resize_keeps_range_and_identity() -> None:
    image = (torch.rand(1, 3, 20, 30, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    assert resize(image, (20, 30)) is image
    for size in ((7, 9), (50, 61)):
        resized = resize(image, size)
        assert resized.shape[-2:] == size
        assert 0 <= float(resized.min()) <= float(resized.max()) <= 1
        assert float(resized.mean()) == pytest.approx(float(image.mean()), abs=0.03)
