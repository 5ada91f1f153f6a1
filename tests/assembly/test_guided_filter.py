"""Photographs that stay photographs: the term on the picture, the last step, and what they go with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
from torch import Tensor

import impasto
from impasto import images
from impasto.assembly import guided_filter as photo
from impasto.assembly.guided_filter import guided_filter
from impasto.geometry import resize
from impasto.transfer.api import make_session
from impasto.transfer.pictures import Sources
from impasto.transfer.session import Session
from impasto.transfer.texture import texture
from tests.thin import load_with, thin

OPTIONS: dict[str, Any] = {"size": 40, "steps": 6, "device": "cpu", "precision": "fp32"}
THIN = thin("vgg19")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network with a sixteenth of the channels."""
    load_with(monkeypatch, lambda *given, **named: THIN)


def _picture(height: int, width: int, seed: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def test_the_weight_keeps_it_a_photograph(pictures: tuple[Path, Path]) -> None:
    plain = impasto.stylize(*pictures, **OPTIONS)
    kept = impasto.stylize(*pictures, photo_weight=10.0, **OPTIONS)
    assert "photo" in kept.losses and "photo" not in plain.losses
    session = Session(kept.recipe, Sources(pictures[0], [pictures[1]]))
    judged = session.evaluate()(plain.image).terms["photo"]
    assert kept.losses["photo"] < 0.1 * judged


def test_the_finish_is_affine_in_the_photograph(pictures: tuple[Path, Path]) -> None:
    """What was free of the photograph's colours is gone, and what is made of them stays."""
    guide, noise = _picture(30, 40, 1), _picture(30, 40, 2)
    mixed = 0.1 + 0.6 * guide.flip(1)
    assert float((guided_filter(mixed, guide, 2) - mixed).abs().max()) < 0.01
    apart = guided_filter((mixed + 0.2 * (noise - 0.5)).clamp(0, 1), guide, 4) - mixed
    assert float(apart.square().mean()) < 0.3 * 0.04 / 12


@pytest.mark.parametrize("band", [1, 200, 100_000])
def test_bands_do_not_show(band: int, monkeypatch: pytest.MonkeyPatch) -> None:
    painted, guide = _picture(37, 20, 1), _picture(37, 20, 2)
    whole = guided_filter(painted, guide, 3)
    monkeypatch.setattr(photo, "_BAND", band)
    torch.testing.assert_close(guided_filter(painted, guide, 3), whole)


def test_a_radius_beyond_the_picture_is_made_smaller() -> None:
    painted, guide = _picture(9, 30, 1), _picture(9, 30, 2)
    assert torch.equal(guided_filter(painted, guide, 100), guided_filter(painted, guide, 4))
    assert torch.equal(guided_filter(painted, guide, 0), painted)


def test_steps_and_result_are_finished(pictures: tuple[Path, Path]) -> None:
    options = {**OPTIONS, "photo_weight": 1.0, "photo_finish": 3}
    last = list(impasto.iterate(*pictures, **options))[-1]
    content = resize(images.read(pictures[0]).pixels, (30, 40))
    assert torch.equal(last.image, guided_filter(last.painted, content, 3))
    assert torch.equal(impasto.stylize(*pictures, **options).image, last.image)


def test_it_goes_with_tiles_regions_colours_and_a_recipe(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    half = torch.zeros(48, 64, 3, dtype=torch.uint8)
    half[:, :32] = 255
    PIL.Image.fromarray(half.numpy()).save(tmp_path / "mask.png")
    options = {
        **OPTIONS,
        "preset": "photo",
        "size": 64,
        "steps": 3,
        "color": "keep",
        "regions": [{"name": "left", "mask": str(tmp_path / "mask.png")}],
    }
    first = impasto.stylize(*pictures, **options)
    recipe = impasto.Recipe.from_toml(first.recipe.to_toml())
    assert torch.equal(impasto.stylize(*pictures, recipe=recipe).image, first.image)
    tiled = impasto.stylize(*pictures, tile=32, **options)
    torch.testing.assert_close(tiled.image, first.image, rtol=0, atol=0.01)
    assert tiled.loss == pytest.approx(first.loss, rel=1e-3)


def test_what_is_resumed_is_the_same(pictures: tuple[Path, Path]) -> None:
    settings = {**OPTIONS, "preset": "photo"}
    steps = list(make_session(*pictures, settings).steps())
    wanted = steps[-1].image
    for step in make_session(*pictures, settings).steps():
        if step.done == 3:
            state = step.state()
            break
    resumed = list(make_session(*pictures, settings).steps(state))
    assert len(resumed) == len(steps) - 3
    assert torch.equal(resumed[-1].image, wanted)


def test_a_texture_is_of_no_photograph(pictures: tuple[Path, Path]) -> None:
    options = {name: value for name, value in OPTIONS.items() if name != "size"}
    found = texture(pictures[1], 48, preset="photo", seamless=True, **options)
    assert {name.split()[0] for name in found.losses} == {"style"}


@pytest.mark.parametrize("name", ["photo_weight", "photo_finish"])
def test_a_seamless_transfer_has_none(pictures: tuple[Path, Path], name: str) -> None:
    with pytest.raises(impasto.ParameterError, match=f"seamless: expected a {name} of 0, got 1"):
        impasto.stylize(*pictures, seamless=True, **{name: 1}, **OPTIONS)
