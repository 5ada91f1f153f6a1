"""Textures: the style's statistics, any shape, and no seam where there is to be none."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import impasto
from impasto.swatches import paint
from impasto.transfer.texture import texture

OPTIONS: dict[str, Any] = {"device": "cpu", "precision": "fp32", "steps": 40}


pytestmark = pytest.mark.usefixtures("thin_network")


def seam(image: Tensor) -> float:
    """How far neighbours are apart across the border, by how far they are apart at the most elsewhere."""
    found = []
    for dimension in (2, 3):
        apart = (image.roll(1, dimension) - image).abs().mean(5 - dimension).mean((0, 1))
        found.append(float(apart[0] / apart[1:].max()))
    return max(found)


def test_a_seamless_texture_has_no_seam(loaded_once: None) -> None:
    style = paint("strokes", size=64)
    plain = texture(style, 96, **OPTIONS).image
    tiled = texture(style, 96, seamless=True, **OPTIONS).image
    assert seam(tiled) < 1.0 < seam(plain)


def test_shape_and_sides() -> None:
    style = paint("strokes", size=64)
    options = {**OPTIONS, "steps": 2}
    assert texture(style, 100, aspect=2.0, **options).size == (100, 50)
    assert texture(style, 100, aspect=0.5, seamless=True, **options).size == (48, 96)


def test_it_does_not_depend_on_what_the_style_shows_where() -> None:
    style = torch.from_numpy(paint("strokes", size=64)).permute(2, 0, 1).float() / 255
    first = texture(style, 64, **{**OPTIONS, "steps": 3})
    assert {name.split()[0] for name in first.losses} == {"style"}
    other = paint("points", size=64)  # the content has no weight, and gives the size alone
    again = impasto.stylize(other, style, recipe=first.recipe)
    assert torch.equal(again.image, first.image)


def test_a_seamless_transfer() -> None:
    content, style = paint("points", size=70), paint("strokes", size=64)
    result = impasto.stylize(content, style, size=70, seamless=True, **{**OPTIONS, "steps": 3})
    assert result.size == (64, 64)
    with pytest.raises(impasto.ParameterError, match="seamless: expected a tv_weight of 0"):
        impasto.stylize(content, style, seamless=True, tv_weight=1.0, **OPTIONS)
