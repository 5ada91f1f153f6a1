"""Reconstructions share with the original what they should, and no more, and start from noise alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from impasto.engine.step import Step
from impasto.errors import ParameterError
from impasto.inspection.feature_extractor import FeatureExtractor
from impasto.inspection.gram import gram_distance
from impasto.inspection.reconstruct import reconstruct, sheet
from tests.inspection.test_judge import picture

pytestmark = pytest.mark.usefixtures("loaded_once")


def likeness(one: Tensor, other: Tensor) -> float:
    """Peak signal to noise ratio, in decibels."""
    return -10.0 * math.log10(float((one - other).square().mean()))


def test_the_first_layers_know_nearly_every_pixel_and_later_ones_less() -> None:
    original = picture(1)
    made = list(reconstruct("content", original, ["relu1_1", "relu3_1"], size=0, steps=40, precision="fp32"))
    shallow, deep = (likeness(each.image, original) for each in made)
    assert shallow > 30.0
    assert 12.0 < deep < shallow - 5.0
    assert [each.name for each in made] == ["relu1_1", "relu3_1"]


@pytest.mark.parametrize("what", ["content", "style"])
def test_losses_are_those_of_the_picture_as_it_is_saved(what: str) -> None:
    original, layers = picture(1), ("relu1_1", "relu2_1")
    *_, last = reconstruct(what, original, layers, size=0, steps=8, precision="fp32")  # type: ignore[arg-type]
    assert torch.equal((last.image * 255).round() / 255, last.image)
    extractor = FeatureExtractor(layers)
    found, wanted = (extractor.features(extractor.read(each, 0)) for each in (last.image, original))
    for layer in last.layers:
        share = gram_distance(layer, found[layer], wanted[layer]).share
        if what == "content":
            share = float((found[layer] - wanted[layer]).square().sum() / wanted[layer].square().sum())
        assert last.losses[layer] == pytest.approx(share, rel=1e-3)
    assert last.loss == pytest.approx(sum(last.losses.values()) / len(last.losses))


def test_styles_are_of_one_layer_more_each_time_and_get_close() -> None:
    original = picture(1)
    made = list(reconstruct("style", original, ["relu1_1", "relu2_1"], size=0, steps=60, precision="fp32"))
    assert [each.layers for each in made] == [("relu1_1",), ("relu1_1", "relu2_1")]
    assert made[1].name == "relu1_1 to relu2_1"
    for each in made:
        assert each.loss < 0.01
        assert likeness(each.image, original) < 20.0  # the same texture somewhere else


def test_a_seed_repeats_bit_for_bit() -> None:
    def made(seed: int) -> Tensor:
        (one,) = reconstruct("style", picture(1), ["relu1_1"], size=0, steps=3, seed=seed, precision="fp32")
        return one.image

    assert torch.equal(made(4), made(4))
    assert not torch.equal(made(4), made(5))


def test_every_step_is_told() -> None:
    told: list[tuple[int, int]] = []

    def listen(number: int, step: Step) -> None:
        told.append((number, step.done))

    made = reconstruct("content", picture(1), ["relu1_1", "relu1_2"], size=32, steps=2, on_step=listen)
    assert told == []
    assert [each.steps for each in made] == [2, 2]
    assert told == [(0, 1), (0, 2), (1, 1), (1, 2)]


def test_a_sheet_has_the_original_and_all_that_was_made() -> None:
    original = picture(1)
    made = list(reconstruct("content", original, ["relu1_1", "relu1_2"], size=0, steps=2))
    row = sheet(original, made, title="content")
    column = sheet(original, made, across=1)
    assert row.width > column.width
    assert column.height > row.height
    wanted = [round(255 * float(band)) for band in original[0, :, 10, 20]]
    colours = {row.getpixel((x, y)) for x in range(row.width // 3) for y in range(row.height)}
    assert tuple(wanted) in colours


def test_what_is_refused_is_refused_at_once() -> None:
    for options, named in (
        ({"steps": 0}, "steps: expected 1 or more, got 0"),
        ({"seed": -1}, "seed: expected 0 or more"),
        ({"size": 8}, "at least 16 pixels on each side"),
        ({"layers": ["relu9_1"]}, "unknown name 'relu9_1'"),
    ):
        with pytest.raises(ParameterError, match=named):
            reconstruct("content", picture(1), **options)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="did you mean 'style'"):
        reconstruct("stile", picture(1))  # type: ignore[arg-type]
