"""A stylizer paints what `stylize` paints, and loads and reads once; progress and results as people see them."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

import impasto
from impasto.assembly import networks
from impasto.errors import ParameterError
from tests.thin import load_with, thin

OPTIONS: dict[str, Any] = {"size": 40, "smallest": 20, "steps": 4, "device": "cpu", "precision": "fp32"}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    loaded: list[str] = []

    def counted(name: str, *given: object, **named: object) -> Any:
        loaded.append(name)
        return thin(name)

    load_with(monkeypatch, counted)
    return loaded


def test_a_stylizer_paints_the_same_and_loads_once(
    pictures: tuple[Path, Path], small: list[str], same_kernels: None
) -> None:
    content, style = pictures
    mirrored = PIL.Image.open(content).transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
    paint = impasto.Stylizer(style, **OPTIONS)
    found = [paint(content), paint(mirrored), paint(content, style_weight=3.0)]
    assert small == ["vgg19"]
    wanted = [
        impasto.stylize(content, style, **OPTIONS),
        impasto.stylize(mirrored, style, **OPTIONS),
        impasto.stylize(content, style, **OPTIONS, style_weight=3.0),
    ]
    for one, other in zip(found, wanted, strict=True):
        assert torch.equal(one.image, other.image)
        assert one.recipe == other.recipe
    assert next(paint.iterate(content)).done == 1
    assert isinstance(networks.ENCODERS["vgg19"], networks.Network)


def test_progress_is_shown_and_steps_are_still_told(
    pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[int] = []
    content, style = pictures
    for paint in (partial(impasto.stylize, content, style), partial(impasto.Stylizer(style), content)):
        seen.clear()
        paint(**OPTIONS, progress=True, on_step=lambda step: seen.append(step.done))
        assert seen == [1, 2, 3, 4]
        assert "4/4" in capsys.readouterr().err


def test_a_result_shows_itself(pictures: tuple[Path, Path]) -> None:
    result = impasto.stylize(*pictures, **OPTIONS)
    assert repr(result).startswith("<Result 40x30, 4 steps, loss ")
    assert len(repr(result)) < 120
    with PIL.Image.open(io.BytesIO(result._repr_png_())) as shown:
        assert np.array_equal(np.asarray(shown), result.to_array())


def test_arrays_say_their_order(pictures: tuple[Path, Path]) -> None:
    result = impasto.stylize(*pictures, **OPTIONS)
    rgb, bgr = result.to_array(), result.to_array(channels="bgr")
    assert rgb.flags.c_contiguous and bgr.flags.c_contiguous
    assert np.array_equal(rgb[:, :, ::-1], bgr)
    with pytest.raises(ParameterError, match="channels: expected rgb or bgr, got 'brg'"):
        result.to_array(channels="brg")  # type: ignore[arg-type]
