"""stylize and iterate, whole, with the real network on pictures of a few pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

import impasto
from impasto import images
from impasto.swatches import paint
from impasto.transfer.api import make_session
from tests.conftest import BFLOAT16

# Of so few pixels a margin would be most of the picture.
OPTIONS: dict[str, Any] = {"size": 40, "steps": 4, "margin": 0, "device": "cpu", "precision": "fp32"}


pytestmark = pytest.mark.usefixtures("thin_network")


def test_a_seed_repeats_bit_for_bit(pictures: tuple[Path, Path]) -> None:
    one, same = (impasto.stylize(*pictures, init="noise", seed=3, **OPTIONS) for _ in range(2))
    other = impasto.stylize(*pictures, init="noise", seed=4, **OPTIONS)
    assert torch.equal(one.image, same.image)
    assert one.loss == same.loss
    assert not torch.equal(one.image, other.image)


def test_every_kind_of_picture_gives_the_same(pictures: tuple[Path, Path]) -> None:
    content, style = pictures
    wanted = impasto.stylize(content, style, **OPTIONS)
    array = np.asarray(PIL.Image.open(content))
    tensor = torch.from_numpy(array.copy()).permute(2, 0, 1).float() / 255
    for source in (str(content), PIL.Image.open(content), array, tensor, tensor[None]):
        assert torch.equal(impasto.stylize(source, [style], **OPTIONS).image, wanted.image)


@pytest.mark.processor
def test_the_result_says_what_it_is(pictures: tuple[Path, Path]) -> None:
    seen: list[impasto.Step] = []
    result = impasto.stylize(*pictures, on_step=seen.append, **OPTIONS)
    assert result.size == (40, 30)
    assert result.image.shape == (1, 3, 30, 40)
    assert result.steps == len(seen) == 4
    assert result.loss == pytest.approx(sum(result.losses.values()), rel=1e-5)
    assert result.loss < seen[0].loss
    assert not result.stopped
    assert set(result.seconds) == {"read", "network", "paint", "total"}
    assert (result.device, result.precision) == ("cpu", "fp32")
    assert result.peak_memory > 1e7
    assert result.to_array().shape == (30, 40, 3)
    assert result.recipe.content is not None
    assert result.recipe.content.path == str(pictures[0])
    assert len(result.recipe.content.sha256) == 64


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tiff"])
def test_a_picture_repeats_itself(pictures: tuple[Path, Path], tmp_path: Path, suffix: str) -> None:
    result = impasto.stylize(*pictures, **OPTIONS)
    saved = result.save(tmp_path / f"out{suffix}")
    recipe = impasto.Recipe.from_toml(images.read_metadata(saved))
    assert recipe == impasto.Recipe.from_toml(result.recipe.to_metadata())
    assert torch.equal(impasto.stylize(*pictures, recipe=recipe).image, result.image)
    changed = impasto.stylize(*pictures, recipe=recipe, steps=2)
    assert changed.steps == 2


def test_the_loss_is_that_of_the_saved_picture(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    from impasto.transfer.pictures import Sources
    from impasto.transfer.session import Session

    result = impasto.stylize(*pictures, **OPTIONS)
    saved = images.read(result.save(tmp_path / "out.png")).pixels
    session = Session(result.recipe, Sources(pictures[0], [pictures[1]]))
    assert session.evaluate()(saved).loss == pytest.approx(result.loss, rel=1e-6)


def test_a_margin_is_cut_off(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    plain, cut = (impasto.stylize(*pictures, **{**OPTIONS, "margin": margin}) for margin in (0, 6))
    assert cut.size == plain.size
    assert not torch.equal(cut.image, plain.image)
    # Its loss is that of what is saved, as anybody sees it.
    saved = images.read(cut.save(tmp_path / "out.png")).pixels
    judge = make_session(*pictures, OPTIONS).evaluate()
    assert judge(saved).loss == pytest.approx(cut.loss, rel=1e-6)


def test_styles_are_mixed_by_their_weights(pictures: tuple[Path, Path]) -> None:
    content, style = pictures
    other = paint("mosaic", size=48)
    only = impasto.stylize(content, style, **OPTIONS)
    all_of_one = impasto.stylize(content, [style, other], style_weights=(1.0, 0.0), **OPTIONS)
    half = impasto.stylize(content, [style, other], **OPTIONS)
    torch.testing.assert_close(all_of_one.image, only.image, rtol=0, atol=1e-3)
    assert float((half.image - only.image).abs().max()) > 0.02
    with pytest.raises(impasto.ParameterError, match="expected one for each of 2 styles, got 3"):
        impasto.stylize(content, [style, other], style_weights=(1, 2, 3), **OPTIONS)


@pytest.mark.processor
def test_starts(pictures: tuple[Path, Path]) -> None:
    content, style = pictures
    found = {
        init: next(impasto.iterate(content, style, init=init, **OPTIONS)).loss
        for init in ("content", "style", "noise", str(style))
    }
    assert len(set(found.values())) == 4
    array = np.asarray(PIL.Image.open(style))
    assert next(impasto.iterate(content, style, init=array, **OPTIONS)).loss == found[str(style)]


@pytest.mark.parametrize("preset", impasto.PRESETS)
def test_every_preset_paints(pictures: tuple[Path, Path], preset: str) -> None:
    seen: list[float] = []
    # The square roots of 512 x 512 matrices take their time whatever the picture's size.
    options = {**OPTIONS, "steps": 3 if preset == "crowson" else 12}
    result = impasto.stylize(*pictures, preset=preset, on_step=lambda s: seen.append(s.loss), **options)
    assert result.loss < seen[0]
    assert float(result.image.std()) > 0.05


@pytest.mark.parametrize("preset", [name for name, preset in impasto.PRESETS.items() if preset.faithful])
def test_every_tool_is_followed(pictures: tuple[Path, Path], preset: str, loaded_once: None) -> None:
    steps = impasto.iterate(*pictures, preset=preset, faithful=True, size=24, device="cpu")
    first, second = next(steps), next(steps)
    assert (first.done, second.done) == (1, 2)
    assert second.loss != first.loss


def test_iterating_can_stop_at_any_time(pictures: tuple[Path, Path]) -> None:
    for step in impasto.iterate(*pictures, **OPTIONS):
        if step.done == 2:
            break
    assert step.image.shape == (1, 3, 30, 40)


def test_style_scale_and_size_change_the_targets(pictures: tuple[Path, Path]) -> None:
    losses = {
        next(impasto.iterate(*pictures, **options, **OPTIONS)).loss
        for options in ({}, {"style_scale": 1.5}, {"style_size": 30}, {"style_size": 0})
    }
    assert len(losses) == 4


@pytest.mark.processor
@BFLOAT16
def test_bfloat16_paints_nearly_the_same(pictures: tuple[Path, Path], loaded_once: None) -> None:
    exact = impasto.stylize(*pictures, **OPTIONS)
    rough = impasto.stylize(*pictures, **{**OPTIONS, "precision": "bf16"})
    assert rough.precision == "bf16"
    assert float((rough.image - exact.image).abs().mean()) < 0.02


def test_any_network_can_be_the_encoder(pictures: tuple[Path, Path]) -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 8, 3, stride=2)
    )
    encoder = impasto.from_module(network, layers=["1", "2"], mean=(0.5,) * 3, std=(0.25,) * 3)
    options = {**OPTIONS, "steps": 10, "content_layers": {"2": 1.0}, "style_layers": {"1": 1.0}}
    seen: list[float] = []
    result = impasto.stylize(*pictures, encoder=encoder, on_step=lambda s: seen.append(s.loss), **options)
    assert result.loss < 0.9 * seen[0]
    assert result.recipe.encoder == "custom"
    with pytest.raises(impasto.ParameterError, match="pass it as encoder="):
        impasto.stylize(*pictures, recipe=result.recipe)
    with pytest.raises(impasto.ParameterError, match="layer of custom: unknown name 'relu1_1'"):
        impasto.stylize(*pictures, encoder=encoder, **{**options, "style_layers": {"relu1_1": 1.0}})


def test_a_style_is_turned_and_flipped(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    content, style = pictures
    by_hand = tmp_path / "turned.png"
    with PIL.Image.open(style) as opened:
        flipped = opened.crop((0, 0, 40, 56)).transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
        opened.crop((0, 0, 40, 56)).save(style.with_name("narrow.png"))
        flipped.transpose(PIL.Image.Transpose.ROTATE_270).save(by_hand)  # Pillow turns the other way
    wanted = impasto.stylize(content, by_hand, **OPTIONS)
    turned = {"style_rotate": (90,), "style_flip": ("horizontal",)}
    found = impasto.stylize(content, style.with_name("narrow.png"), **turned, **OPTIONS)
    assert torch.equal(found.image, wanted.image)


def test_each_style_has_its_own_scale(pictures: tuple[Path, Path]) -> None:
    content, style = pictures
    both = impasto.stylize(content, [style, style], style_scales=(2.0, 0.75), **OPTIONS)
    assert not torch.equal(both.image, impasto.stylize(content, [style, style], **OPTIONS).image)
    one = impasto.stylize(content, style, style_scales=(1.5,), **OPTIONS)
    assert torch.equal(one.image, impasto.stylize(content, style, style_scale=1.5, **OPTIONS).image)
    with pytest.raises(
        impasto.ParameterError, match="style_scales: expected one value, or one for each of 1 styles"
    ):
        impasto.stylize(content, style, style_scales=(1.5, 2.0), **OPTIONS)
    with pytest.raises(impasto.ParameterError, match=r"style_rotate.*expected 0, 90, 180 or 270, got 45"):
        impasto.stylize(content, style, style_rotate=(45,), **OPTIONS)


def test_results_beyond_the_pixel_limit_are_refused(pictures: tuple[Path, Path]) -> None:
    with pytest.raises(impasto.ParameterError, match=r"size: a result of 60000x45000 has 2700000000 pixels"):
        impasto.stylize(*pictures, size=60_000)
    with pytest.raises(impasto.ParameterError, match=r"size: 40x30 needs .* of memory, the limit is 900 MB"):
        impasto.stylize(*pictures, size=40, style_size=10_000, memory="900MB")


def test_a_picture_to_go_on_from_is_not_shrunk(pictures: tuple[Path, Path]) -> None:
    options = {**OPTIONS, "size": 64, "smallest": 32}
    assert next(impasto.iterate(*pictures, **options)).levels == 2
    painted = impasto.stylize(*pictures, **options)
    went_on = impasto.stylize(*pictures, init=painted.image, **{**options, "steps": 2})
    assert went_on.steps == 2
    first = next(impasto.iterate(*pictures, init=painted.image, **options))
    assert first.levels == 1
    assert first.loss == pytest.approx(painted.loss, rel=0.05)  # the loss of what was painted, all of it


def test_tiles_paint_the_same_picture(pictures: tuple[Path, Path], same_kernels: None) -> None:
    options: dict[str, Any] = {**OPTIONS, "size": 160, "steps": 3, "precision": "fp32"}
    one, many = (impasto.stylize(*pictures, tile=tile, **options) for tile in (0, 64))
    # float64 proves them equal (tests/engine/tiling); three steps of L-BFGS enlarge what float32 rounds,
    # at single pixels. A seam one grey level deep would be 1e-4 of the mean.
    assert many.loss == pytest.approx(one.loss, rel=1e-3)
    assert float((many.image - one.image).abs().mean()) < 5e-5


@pytest.mark.parametrize("preset", ["crowson"])
def test_a_divergence_names_a_flat_style(preset: str, tmp_path: Path, loaded_once: None) -> None:
    PIL.Image.new("RGB", (64, 64), (120, 120, 120)).save(tmp_path / "wall.png")
    with pytest.raises(
        impasto.DivergedError, match=r"of nearly one colour: wall\.png; use another style picture"
    ):
        given = {"size": 64, "steps": 6, "device": "cpu", "precision": "fp32"}
        impasto.stylize(paint("mosaic", size=64), tmp_path / "wall.png", preset=preset, **given)
