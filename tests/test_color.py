"""Colours: there and back, kept to rounding, moved as they should be."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from impasto import color


def picture(seed: int, height: int = 37, width: int = 53, **options: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, height, width, generator=generator, **options)


def skewed(seed: int) -> Tensor:
    """Colours that hang together and fill neither the cube nor its middle."""
    mix = torch.tensor([[0.5, 0.2, 0.0], [0.3, 0.3, 0.1], [0.1, 0.0, 0.4]], dtype=torch.float64)
    return torch.einsum("ij,njhw->nihw", mix, picture(seed, dtype=torch.float64) ** 2) + 0.1


def test_light_of_known_values() -> None:
    # IEC 61966-2-1: half of white's value is 21.4 % of its light.
    values = torch.tensor([0.0, 0.04045, 0.5, 1.0], dtype=torch.float64)
    assert color.srgb_to_linear(values).tolist() == pytest.approx([0.0, 0.0031308, 0.2140411, 1.0], rel=1e-5)


@given(st.floats(-0.5, 1.5))
def test_light_comes_back(value: float) -> None:
    there = torch.tensor(value, dtype=torch.float64)
    assert float(color.linear_to_srgb(color.srgb_to_linear(there))) == pytest.approx(value, abs=2e-6)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    # From Ottosson's own page: white, and the primaries as CSS Color 4 lists them.
    [
        ((1.0, 1.0, 1.0), (1.0, 0.0, 0.0)),
        ((1.0, 0.0, 0.0), (0.62796, 0.22486, 0.12585)),
        ((0.0, 1.0, 0.0), (0.86644, -0.23389, 0.17950)),
        ((0.0, 0.0, 1.0), (0.45201, -0.03246, -0.31153)),
    ],
)
def test_oklab_of_known_colors(rgb: tuple[float, ...], lab: tuple[float, ...]) -> None:
    found = color.oklab(torch.tensor(rgb, dtype=torch.float64).view(1, 3, 1, 1)).flatten()
    assert found.tolist() == pytest.approx(lab, abs=1e-4)


def test_oklab_comes_back() -> None:
    there = picture(0, dtype=torch.float64)
    assert torch.allclose(color.from_oklab(color.oklab(there)), there, atol=1e-6)


def test_grey_has_no_color_and_keeps_lightness() -> None:
    there = picture(1)
    found = color.to_gray(there)
    assert torch.allclose(found, found.mean(1, keepdim=True).expand_as(found), atol=1e-5)
    assert torch.allclose(color.oklab(found)[:, 0], color.oklab(there)[:, 0], atol=1e-4)


def test_colors_are_kept_and_lightness_is_taken_where_it_can_be() -> None:
    painted, photo = picture(2), picture(3)
    found = color.oklab(color.with_chroma_of(painted, photo))
    assert torch.allclose(found[:, 1:], color.oklab(photo)[:, 1:], atol=2e-4)
    # Pale colours can be had at any lightness of the middle.
    pale = 0.5 + 0.02 * (photo - 0.5)
    mild = 0.3 + 0.4 * painted
    found = color.oklab(color.with_chroma_of(mild, pale))
    assert torch.allclose(found[:, 0], color.oklab(mild)[:, 0], atol=2e-4)


def test_keeping_colors_twice_is_keeping_them_once() -> None:
    painted, photo = picture(4), picture(5)
    once = color.with_chroma_of(painted, photo)
    assert torch.allclose(color.with_chroma_of(once, photo), once, atol=2e-3)
    assert (color.with_chroma_of(once, photo) - once).abs().mean() < 1e-5


def test_a_photo_in_its_own_colors_is_itself() -> None:
    photo = picture(6)
    assert torch.allclose(color.with_chroma_of(photo, photo), photo, atol=1e-4)


def test_mean_and_covariance_are_the_target_s() -> None:
    here, there = picture(7, dtype=torch.float64) * 0.3 + 0.3, skewed(8) * 0.5 + 0.1
    found = color.match_mean_covariance(here, there)
    assert found.min() > 0 and found.max() < 1, "clipped colours would not match"
    assert torch.allclose(found[0].flatten(1).mean(1), there[0].flatten(1).mean(1), atol=1e-6)
    assert torch.allclose(
        torch.cov(found[0].flatten(1)), torch.cov(there[0].flatten(1)), rtol=1e-3, atol=1e-6
    )


def test_moved_to_itself_nothing_moves() -> None:
    there = picture(9)
    assert torch.allclose(color.match_mean_covariance(there, there), there, atol=1e-5)


@pytest.mark.parametrize("way", [color.match_mean_covariance, color.match_distribution])
def test_a_picture_of_one_color_is_no_trouble(way: object) -> None:
    assert callable(way)
    plain = torch.full((1, 3, 8, 9), 0.25)
    assert torch.isfinite(way(plain, picture(10))).all()
    found = way(picture(10), plain)
    assert torch.allclose(found, torch.full_like(found, 0.25), atol=0.02)


def test_the_whole_distribution_is_the_target_s() -> None:
    here, there = picture(11, dtype=torch.float64), skewed(12)
    found = color.match_distribution(here, there)
    for direction in [*torch.eye(3, dtype=torch.float64).tolist(), [0.6, 0.6, 0.5], [0.7, -0.7, 0.0]]:
        axis = torch.tensor(direction, dtype=torch.float64)
        own, aim = ((axis @ each[0].flatten(1)).sort().values for each in (found, there))
        before = (axis @ here[0].flatten(1)).sort().values
        assert (own - aim).abs().mean() < 0.1 * (before - aim).abs().mean()
