"""No cycle of references holds a network or a picture: they go when the last who uses them goes.

Python's collector counts objects, not bytes, and would let gigabytes pile up before it looks.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from torch import Tensor

import impasto
from impasto.encoders import VGG
from impasto.engine.step import Step
from impasto.inspection.reconstruct import reconstruct
from impasto.runs.create import stylize as stylize_into
from impasto.swatches import paint
from impasto.transfer.session import Session
from impasto.transfer.texture import texture
from tests.thin import load_with, thin

OPTIONS: dict[str, Any] = {"size": 48, "smallest": 24, "steps": 4, "device": "cpu", "precision": "fp32"}

Picture = NDArray[np.uint8]
Call = Callable[[Picture, Picture, Path], object]


def abandoned(content: Picture, style: Picture, folder: Path) -> None:
    next(impasto.iterate(content, style, **OPTIONS))


def closed(content: Picture, style: Picture, folder: Path) -> None:
    painting = impasto.iterate(content, style, **OPTIONS)
    next(painting)
    painting.close()


def steered(content: Picture, style: Picture, folder: Path) -> None:
    painting = impasto.iterate(content, style, **OPTIONS)
    next(painting)
    painting.change(style_weight=3.0)
    next(painting)
    painting.undo()
    list(painting)


def interrupted(content: Picture, style: Picture, folder: Path) -> None:
    def stop(step: Step) -> None:
        raise ZeroDivisionError

    with suppress(ZeroDivisionError):
        impasto.stylize(content, style, on_step=stop, **OPTIONS)


def refused(content: Picture, style: Picture, folder: Path) -> None:
    with suppress(impasto.ParameterError):
        impasto.iterate(content, style, **OPTIONS).change(size=64)


def recorded(content: Picture, style: Picture, folder: Path) -> None:
    paths = folder / "content.png", folder / "style.png"
    for path, picture in zip(paths, (content, style), strict=True):
        PIL.Image.fromarray(picture).save(path)
    stylize_into(folder / "run", *paths, **OPTIONS)


CALLS: dict[str, Call] = {
    "stylize": lambda content, style, _: impasto.stylize(content, style, **OPTIONS),
    "tiles": lambda content, style, _: impasto.stylize(content, style, tile=32, **OPTIONS),
    "strength": lambda content, style, _: impasto.stylize(content, style, strength=0.5, **OPTIONS),
    "adam": lambda content, style, _: impasto.stylize(content, style, optimizer="adam", **OPTIONS),
    "photo": lambda content, style, _: impasto.stylize(content, style, preset="photo", **OPTIONS),
    "texture": lambda _, style, __: texture(style, **OPTIONS),
    "reconstruct": lambda content, _, __: list(reconstruct("style", content, ["relu1_1"], size=32, steps=2)),
    "abandoned": abandoned,
    "closed": closed,
    "steered": steered,
    "interrupted": interrupted,
    "refused": refused,
    "recorded": recorded,
}


@pytest.fixture(autouse=True)
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is kept does not depend on its size."""
    load_with(monkeypatch, thin)


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def heavy() -> Counter[type]:
    """What there is of networks, sessions and tensors."""
    # type(), not isinstance(), which asks some objects of torch for a class and is told that they are deprecated.
    return Counter(type(each) for each in gc.get_objects() if issubclass(type(each), Tensor | VGG | Session))


@pytest.mark.parametrize("name", CALLS)
def test_but_what_is_returned(name: str, tmp_path: Path, uncollected: None) -> None:
    content, style = paint("mosaic", size=64), paint("strokes", size=64)
    for turn in ("first", "second"):
        before = heavy()  # the first call fills what is kept on purpose
        (tmp_path / turn).mkdir()
        CALLS[name](content, style, tmp_path / turn)
    assert heavy() == before


def test_while_results_are_kept(uncollected: None) -> None:
    content, style = paint("mosaic", size=64), paint("strokes", size=64)
    kept = [impasto.stylize(content, style, **OPTIONS)]
    before = heavy()
    kept += [impasto.stylize(content, style, **OPTIONS) for _ in range(2)]
    assert (heavy() - before).keys() == {Tensor}  # their pictures, and no network


def test_while_last_steps_are_kept(uncollected: None) -> None:
    content, style = paint("mosaic", size=64), paint("strokes", size=64)
    kept: list[Step] = []

    def newest(step: Step) -> None:
        kept[-1:] = [step] if step.done > 1 else [*kept[-1:], step]

    impasto.stylize(content, style, on_step=newest, **OPTIONS)
    before = heavy()
    for _ in range(2):
        impasto.stylize(content, style, on_step=newest, **OPTIONS)
    assert len(kept) == 3
    assert VGG not in heavy() - before and Session not in heavy() - before
