"""The judge says what `stylize` reported and what the tools' own code gave, at any size; the rest it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from impasto import images
from impasto.errors import ImageError, ParameterError
from impasto.geometry import resize
from impasto.inspection.judge import Judge
from impasto.transfer.api import stylize
from tests.conftest import BFLOAT16
from tests.transfer.test_reference import TOOLS


def picture(seed: int, size: tuple[int, int] = (36, 48)) -> Tensor:
    """Smooth colours with some noise, in 8 bits."""
    generator = torch.Generator().manual_seed(seed)
    rough = torch.rand(1, 3, 5, 6, generator=generator)
    fine = 0.1 * torch.rand(1, 3, *size, generator=generator)
    return ((0.9 * resize(rough, size) + fine) * 255).round() / 255


pytestmark = pytest.mark.usefixtures("thin_network")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"preset": "pastiche"},
        {"preset": "crowson", "size": 32},
        {"preset": "gatys", "faithful": True, "size": 40},
        {"preset": "seed", "faithful": True, "size": 33},
        {"style_size": 40, "size": 34},
        {"style_rotate": (90,), "color": "match"},
        pytest.param({"precision": "bf16"}, marks=[BFLOAT16, pytest.mark.processor]),
        {"style_loss": "sliced-wasserstein", "content_loss": "self-similarity"},
        {"style_loss": "patches", "style_layers": {"relu3_1": 1.0}},
    ],
    ids=str,
)
def test_our_own_result_has_the_loss_that_was_reported(tmp_path: Path, options: dict[str, Any]) -> None:
    content, style = picture(1), picture(2, (40, 40))
    settings = {"size": 48, "precision": "fp32", "steps": 2, **options}
    result = stylize(content, style, **settings)
    judged = Judge(content, style, recipe=result.recipe)(result.save(tmp_path / "result.png"))
    # In bfloat16 the last bit of a pixel that is read again may count.
    near = 1e-3 if result.recipe.precision == "bf16" else 1e-5
    assert judged.size == result.size
    assert judged.loss == pytest.approx(result.loss, rel=near)
    assert {term.name: term.weighted for term in judged.terms} == pytest.approx(dict(result.losses), rel=near)


def test_a_seamless_result_is_judged_at_any_size(tmp_path: Path) -> None:
    content, style = picture(1), picture(2, (40, 40))
    result = stylize(content, style, size=64, seamless=True, precision="fp32", steps=2)
    judge, path = Judge(content, style, recipe=result.recipe), result.save(tmp_path / "result.png")
    assert judge(path).loss == pytest.approx(result.loss, rel=1e-5)
    assert judge(path, size=40).size == (32, 32)  # the nearest that goes on at its other side


def test_several_styles(tmp_path: Path) -> None:
    content, styles = picture(1), [picture(2), picture(3, (40, 40))]
    result = stylize(content, styles, style_weights=(0.7, 0.3), size=48, steps=2, precision="fp32")
    judged = Judge(content, styles, recipe=result.recipe)(result.save(tmp_path / "result.png"))
    assert judged.loss == pytest.approx(result.loss, rel=1e-5)
    with pytest.raises(ParameterError, match="style_weights: expected one for each of 1"):
        Judge(content, styles[:1], style_weights=(0.7, 0.3))


def test_regions(tmp_path: Path) -> None:
    for name, columns in (("left", slice(0, 24)), ("right", slice(24, 48))):
        mask = torch.zeros(1, 3, 36, 48)
        mask[..., columns] = 1.0
        images.write(tmp_path / f"{name}.png", mask)
    regions = [{"name": name, "mask": tmp_path / f"{name}.png"} for name in ("left", "right")]
    content, styles = picture(1), [picture(2), picture(3, (40, 40))]
    result = stylize(content, styles, regions=regions, size=48, steps=2, precision="fp32")
    judged = Judge(content, styles, recipe=result.recipe)(result.save(tmp_path / "result.png"))
    assert judged.loss == pytest.approx(result.loss, rel=1e-5)
    assert judged.loss == Judge(content, styles, regions=regions)(tmp_path / "result.png").loss
    assert judged.loss != pytest.approx(Judge(content, styles)(tmp_path / "result.png").loss, rel=0.01)


def test_a_result_in_the_photographs_colours_is_judged_without_them(
    tmp_path: Path, loaded_once: None
) -> None:
    # Pale, and hardly painted yet: no lightness has to give way to a colour.
    content, style = 0.45 + 0.1 * picture(1), picture(2)
    result = stylize(content, style, color="keep", size=48, steps=1, margin=0, precision="fp32")
    judged = Judge(content, style, recipe=result.recipe)(result.save(tmp_path / "result.png"))
    assert judged.loss == pytest.approx(result.loss, rel=0.02)
    assert judged.loss != pytest.approx(Judge(content, style)(tmp_path / "result.png").loss, rel=0.1)


@pytest.mark.parametrize("preset", TOOLS)
def test_the_tools_own_numbers(shared: Path, preset: str, loaded_once: None) -> None:
    folder = shared / "reference"
    theirs = json.loads((folder / "vectors.json").read_text())["tools"][TOOLS[preset]]["candidate_float64"]
    pictures = folder / "content.png", folder / "style.png"
    judge = Judge(*pictures, preset=preset, faithful=True, style_size=0)  # the style as it is
    judged = judge(folder / "candidate.png")
    assert judged.loss == pytest.approx(theirs["total"], rel=1e-5)
    weighted = {term.name: term.weighted for term in judged.terms}
    assert weighted["content relu4_2"] == pytest.approx(theirs["content_weighted"], rel=1e-5)
    styles = [value for name, value in weighted.items() if name.startswith("style")]
    assert styles == pytest.approx(list(theirs["style_layers_weighted"].values()), rel=5e-5)


def test_terms_add_up() -> None:
    judged = Judge(picture(1), picture(2), preset="neural-style", tv_weight=0.5)(picture(3))
    assert sum(term.weighted for term in judged.terms) == pytest.approx(judged.loss, rel=1e-6)
    assert sum(term.share for term in judged.terms) == pytest.approx(1.0, rel=1e-6)
    for term in judged.terms:
        assert term.weight * term.value == pytest.approx(term.weighted, rel=1e-9)
    assert [term.name for term in judged.terms][-1] == "tv"


def test_a_strength_that_was_measured_counts_as_its_weight() -> None:
    judge = Judge(picture(1), picture(2), style_weight=7.0)
    measured = judge.recipe.model_copy(update={"strength": 0.5, "measured_for": "these"})
    assert Judge(picture(1), picture(2), recipe=measured)(picture(3)) == judge(picture(3))


def test_the_content_has_no_content_loss() -> None:
    judged = Judge(picture(1), picture(2))(picture(1))
    assert judged.terms[0].name == "content relu4_2"
    assert judged.terms[0].value == 0.0
    assert judged.loss > 0.0


@pytest.mark.parametrize("style_size", [None, 40])
def test_a_smaller_size_is_all_three_pictures_reduced(style_size: int | None) -> None:
    content, style, result = picture(1, (72, 96)), picture(2, (96, 72)), picture(3, (72, 96))
    judged = Judge(content, style, style_size=style_size)(result, size=48)
    small = [resize(each, (36, 48)) for each in (content, result)]
    fixed = None if style_size is None else style_size // 2
    expected = Judge(small[0], style, style_size=fixed)(small[1])
    assert judged.size == (48, 36)
    assert judged.loss == pytest.approx(expected.loss, rel=1e-5)


def test_results_of_several_sizes_one_after_the_other() -> None:
    judge = Judge(picture(1, (72, 96)), picture(2))
    pictures = [picture(3, (36, 48)), picture(4, (72, 96)), picture(5, (36, 48))]
    together = [judge(each).loss for each in pictures]
    assert together == [Judge(picture(1, (72, 96)), picture(2))(each).loss for each in pictures]
    assert len(set(together)) == 3


def test_what_is_refused() -> None:
    content, style = picture(1), picture(2)
    judge = Judge(content, style)
    with pytest.raises(ParameterError, match="expected at most the long side of <tensor>, 48 pixels, got 64"):
        judge(picture(3), size=64)
    with pytest.raises(ParameterError, match="expected the proportions of the content, 48x36, got 36x48"):
        judge(picture(3, (48, 36)))
    with pytest.raises(ParameterError, match="at least 16 pixels on each side, got 16x12"):
        judge(picture(3), size=16)
    with pytest.raises(ImageError, match="limit"):
        Judge(content, style, max_pixels=2000)(np.zeros((360, 480, 3), np.uint8))
    with pytest.raises(ParameterError, match="did you mean 'relu4_2'"):
        Judge(content, style, content_layers={"relu4_22": 1.0})
    with pytest.raises(ParameterError, match="expected a content and a style weight to judge by"):
        Judge(content, style, strength=0.5)


def test_a_network_of_ones_own(tmp_path: Path) -> None:
    class Blur:
        layers = ("blur",)

        def __call__(self, image: Tensor, layers: object) -> dict[str, Tensor]:
            return {"blur": torch.nn.functional.avg_pool2d(image, 4)}

        def to(self, **options: object) -> Blur:
            return self

    options: dict[str, Any] = {"content_layers": {"blur": 1.0}, "style_layers": {"blur": 1.0}}
    result = stylize(picture(1), picture(2), encoder=Blur(), size=48, steps=2, **options)
    path = result.save(tmp_path / "result.png")
    judged = Judge(picture(1), picture(2), recipe=result.recipe, encoder=Blur())(path)
    assert judged.loss == pytest.approx(result.loss, rel=1e-5)
    with pytest.raises(ParameterError, match="pass it as encoder="):
        Judge(picture(1), picture(2), recipe=result.recipe)
