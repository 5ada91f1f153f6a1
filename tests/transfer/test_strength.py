"""The strength slider: what it measures, what it does not depend on, and that a picture repeats itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

import impasto
from impasto import images
from impasto.encoders.weights import Convolutions
from impasto.errors import ParameterError
from impasto.recipes.differences import differences
from impasto.recipes.presets import change, load_written, resolve
from impasto.recipes.recipe import Recipe
from impasto.recipes.settings import Settings
from impasto.runs import recording
from impasto.runs.create import stylize
from impasto.runs.readers import read_recipe
from impasto.runs.resume import go_on
from impasto.swatches import paint
from impasto.transfer import strength
from impasto.transfer.api import make_session
from tests.thin import load_with, thin

OPTIONS: dict[str, Any] = {"size": 40, "steps": 4, "device": "cpu", "precision": "fp32"}


THIN = thin("vgg19")

pytestmark = pytest.mark.usefixtures("same_kernels")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured at few pixels, by a network with a sixteenth of the channels."""
    load_with(monkeypatch, lambda *given, **named: THIN)
    monkeypatch.setattr(strength, "SIDE", 32)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The weights that were measured."""
    found: list[float] = []
    measure = strength._weight_at_half

    def watched(*given: Any) -> float:
        found.append(measure(*given))
        return found[-1]

    monkeypatch.setattr(strength, "_weight_at_half", watched)
    return found


def _recipe(pictures: Any, **options: Any) -> Recipe:
    session = make_session(*pictures, OPTIONS | options)
    session.load()
    return session.recipe


def _weight(pictures: tuple[Path, Path], **options: Any) -> float:
    return _recipe(pictures, **options).style_weight


def test_more_strength_gives_up_more_of_the_content(
    pictures: tuple[Path, Path], convolutions: Convolutions, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_with(monkeypatch, lambda *given, **named: convolutions)  # the real one
    given_up, weights = [], []
    for value in (0.0, 0.5, 1.0):
        result = impasto.stylize(*pictures, strength=value, **{**OPTIONS, "steps": 20})
        given_up.append(result.losses["content relu4_2"])
        weights.append(result.recipe.style_weight)
        assert result.recipe.content_weight == 1.0
    assert given_up == sorted(given_up)
    assert weights == sorted(weights)
    assert given_up[0] < 0.1 * given_up[-1]
    # What half the slider gives up is about half of what all of it does.
    assert 0.3 < given_up[1] / given_up[2] < 0.7


def test_the_results_size_and_seed_do_not_matter(pictures: tuple[Path, Path]) -> None:
    wanted = _weight(pictures, strength=0.6)
    for options in ({"size": 64}, {"size": 100, "fit": "area"}, {"seed": 5}, {"init": "noise"}, {"steps": 9}):
        assert _weight(pictures, strength=0.6, **options) == wanted
    assert _weight(pictures, strength=0.6, style_scale=1.5) != wanted


@pytest.mark.parametrize("preset", [name for name in impasto.PRESETS if name != "crowson"])
def test_every_preset_has_a_middle(pictures: tuple[Path, Path], preset: str) -> None:
    recipe = _recipe(pictures, preset=preset, strength=0.5)
    assert 0.0 < recipe.style_weight < 1e12
    assert recipe.content_weight == resolve(preset).content_weight


def test_the_unit_of_a_loss_does_not_matter(pictures: tuple[Path, Path]) -> None:
    one = _weight(pictures, strength=0.5)
    ten = load_written({"content_weight": 10.0, "style_weight": 3.0, "strength": 0.5}, OPTIONS)
    session = make_session(*pictures, {"recipe": ten})
    session.load()
    assert session.recipe.style_weight == pytest.approx(10 * one, rel=0.02)


def test_losses_that_are_sums_grow_with_the_pixels(pictures: tuple[Path, Path]) -> None:
    small, large = (_weight(pictures, preset="gatys", strength=0.5, size=size) for size in (40, 80))
    assert large == pytest.approx(4 * small, rel=0.01)  # the content's loss is a sum, the style's is not
    small, large = (_weight(pictures, preset="textbook", strength=0.5, size=size) for size in (40, 80))
    assert large == pytest.approx(small / 4, rel=0.01)  # Gram matrices of sums, squared


def test_a_style_of_fixed_size_is_measured_as_it_will_be(pictures: tuple[Path, Path]) -> None:
    assert _weight(pictures, strength=0.5, style_size=40) == _weight(pictures, strength=0.5)
    assert _weight(pictures, strength=0.5, style_size=80) == _weight(pictures, strength=0.5, style_scale=2.0)


def test_any_network_can_be_measured(pictures: tuple[Path, Path], measured: list[float]) -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 8, 3))
    encoder = impasto.from_module(network, layers=["1", "2"], mean=(0.5,) * 3, std=(0.25,) * 3)
    options = {**OPTIONS, "encoder": encoder, "content_layers": {"2": 1.0}, "style_layers": {"1": 1.0}}
    result = impasto.stylize(*pictures, strength=0.5, **options)
    # Which network it was is not in the recipe, so it is measured again, and found the same.
    again = impasto.stylize(*pictures, recipe=result.recipe, encoder=encoder)
    assert len(measured) == 2
    assert torch.equal(again.image, result.image)


def test_it_is_said_and_kept(pictures: tuple[Path, Path], tmp_path: Path, measured: list[float]) -> None:
    result = impasto.stylize(*pictures, strength=0.7, **OPTIONS)
    assert f"strength 0.7: style weight {result.recipe.style_weight:g}" in result.notes
    assert result.seconds["strength"] > 0
    recipe = Recipe.from_toml(images.read_metadata(result.save(tmp_path / "out.png")))
    assert recipe == Recipe.from_toml(result.recipe.to_metadata())
    again = impasto.stylize(*pictures, recipe=recipe)
    assert torch.equal(again.image, result.image)
    plain = impasto.stylize(*pictures, style_weight=recipe.style_weight, **OPTIONS)
    assert torch.equal(plain.image, result.image)
    assert len(measured) == 1


def test_it_is_measured_again_when_something_has_changed(
    pictures: tuple[Path, Path], measured: list[float]
) -> None:
    before = _recipe(pictures, strength=0.5)
    other = paint("mosaic", size=48)
    for source, options in (
        (pictures, {"strength": 0.6}),
        (pictures, {"style_layers": {"relu2_1": 1.0}}),
        (pictures, {"pooling": "average"}),
        ((pictures[0], other), {}),
        ((pictures[0], [pictures[1], other]), {}),
    ):
        count = len(measured)
        session = make_session(source[0], source[1], {"recipe": before, **options})
        session.load()
        session.load()
        assert len(measured) == count + 1
        assert session.recipe.style_weight != before.style_weight
    measured.clear()
    for options in ({}, {"steps": 9}, {"seed": 1}, {"size": 64}, {"optimizer": "adam"}, {"init": "style"}):
        session = make_session(*pictures, {"recipe": before, **options})
        session.load()
        assert session.recipe.style_weight == before.style_weight
    assert not measured


def test_a_resumed_run_is_the_uninterrupted_one(
    pictures: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PowerCutError(Exception):
        pass

    def cut(step: impasto.Step) -> None:
        if step.done == 3:
            raise PowerCutError

    monkeypatch.setattr(recording, "CHECKPOINT_SECONDS", 0.0)
    whole = impasto.stylize(*pictures, strength=0.3, **{**OPTIONS, "steps": 6})
    run = tmp_path / "run"
    with pytest.raises(PowerCutError):
        stylize(run, *pictures, strength=0.3, on_step=cut, **{**OPTIONS, "steps": 6})
    written = read_recipe(run)
    assert (written.strength, written.style_weight) == (0.3, whole.recipe.style_weight)

    def never(*given: Any) -> float:
        raise AssertionError("measured again")

    monkeypatch.setattr(strength, "_weight_at_half", never)
    # Nor where another version would measure otherwise.
    monkeypatch.setattr(strength, "_digest", lambda *given: "another")
    assert torch.equal(go_on(run).image, whole.image)
    assert np.array_equal(np.asarray(PIL.Image.open(run / "result.png")), whole.to_array())


def test_a_weight_ends_a_strength() -> None:
    both = load_written({"strength": 0.5, "measured_for": "x", "style_weight": 12.0}, {})
    assert (both.strength, both.style_weight) == (0.5, 12.0)
    for changed in (change(both, {"style_weight": 3}), load_written(both.model_dump(), {"style_weight": 3})):
        assert (changed.strength, changed.measured_for, changed.style_weight) == (None, None, 3.0)
    assert change(both, {"content_weight": 2}).strength is None
    assert change(both, {"strength": 0.6, "style_weight": None}).strength == 0.6
    assert change(both, {"seed": 3}).strength == 0.5
    assert differences(both, change(both, {"strength": 0.6})) == {"strength": (0.5, 0.6)}


@pytest.mark.parametrize("given", [{"style_weight": 3.0}, {"content_weight": 1.0}, {"style_weight": 0.0}])
def test_a_strength_beside_a_weight_is_refused(given: dict[str, float]) -> None:
    message = rf"strength: expected without weights, .* got {next(iter(given))} beside it"
    with pytest.raises(ParameterError, match=message):
        resolve(strength=0.5, **given)
    with pytest.raises(ParameterError, match=message):
        change(resolve(), {"strength": 0.5, **given})


def test_what_cannot_be_balanced_is_refused(pictures: tuple[Path, Path]) -> None:
    for value in (-0.01, 1.01, float("nan")):
        with pytest.raises(ParameterError, match="strength: expected"):
            resolve(strength=value)
    with pytest.raises(ParameterError, match="expected a content and a style weight above 0"):
        resolve(strength=0.5, style_layers={"relu1_1": 0.0})
    with pytest.raises(ParameterError, match="a style that differs from the content"):
        impasto.stylize(pictures[0], pictures[0], strength=0.5, **OPTIONS)


OTHER: dict[str, Any] = {
    "style_weights": (3.0, 1.0),
    "style_scales": (0.5,),
    "style_rotate": (90,),
    "style_flip": ("horizontal",),
    "color": "match",
    "tv_weight": 3.0,
    "photo_weight": 30.0,
    "content_layers": {"relu3_2": 1.0},
    "style_layers": {"relu1_1": 1.0, "relu3_1": 1.0},
    "style_target_layers": {"relu2_1": "relu2_2"},
    "content_loss": "mean",
    "style_loss": "histogram",
    "style_losses": {"relu1_1": {"patches": 1.0}},
    "encoder": "vgg16",
    "pooling": "average",
    "padding": "reflect",
    "mean_pixel": (10.0, 100.0, 200.0),
    "seamless": True,
    "style_size": 20,
    "style_scale": 0.5,
    "resample": "bilinear",
    "size": 48,
    "seed": 7,
    "aspect": 1.0,
    "fit": "short",
}
"""Another value of settings that a measurement may depend on."""

NOT_HERE = {
    "color_match": "where color says so: below",
    "tv_loss": "where there is a tv_weight: below",
    "regions": "below",
    "weights": "the network here is made up",
    "strength": "what is asked for",
    "content_weight": "refused beside a strength; a preset's: below",
    "style_fit": "where there is a style_size",
    "style_enlarge": "where there is a style_size",
}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_what_it_depends_on_it_is_measured_for(name: str, pictures: tuple[Path, Path]) -> None:
    """The law: where the digest is the same, so is the weight."""
    if name not in OTHER:
        assert name in strength.NOT_MEASURED | NOT_HERE.keys()
        return
    several = name == "style_weights"
    given = (pictures[0], [pictures[1], pictures[0]]) if several else pictures
    plain, other = (_measured(given, **options) for options in ({}, {name: OTHER[name]}))
    assert plain[0] != other[0] or plain[1] == pytest.approx(other[1], rel=0.01)


@pytest.mark.parametrize(
    ("basis", "name", "value"),
    [
        ({"color": "match"}, "color_match", "histogram"),
        ({}, "preset", "gatys"),
        ({"tv_weight": 3.0}, "tv_loss", "nine-point"),
        ({"style_loss": "sliced-wasserstein"}, "seed", 7),
        ({"style_size": 30}, "style_fit", "short"),
    ],
)
def test_also_beside_others(
    basis: dict[str, Any], name: str, value: object, pictures: tuple[Path, Path]
) -> None:
    plain, other = (_measured(pictures, **basis, **more) for more in ({}, {name: value}))
    assert plain[0] != other[0] or plain[1] == pytest.approx(other[1], rel=0.01)


@pytest.mark.parametrize("change", [{"weight": 3.0}, {"loss": "histogram"}, {"keep": True}, {"style": 2}])
def test_also_in_regions(change: dict[str, Any], pictures: tuple[Path, Path], tmp_path: Path) -> None:
    half = np.zeros((48, 64), np.uint8)
    half[:, :30] = 255
    for each, mask in (("left", half), ("right", 255 - half)):
        PIL.Image.fromarray(mask).save(tmp_path / f"{each}.png")
    regions = [
        {"name": each, "mask": {"path": str(tmp_path / f"{each}.png")}, "style": 1}
        for each in ("left", "right")
    ]
    given = pictures[0], [pictures[1], pictures[0]]
    plain = _measured(given, regions=regions)
    other = _measured(given, regions=[{**regions[0], **change}, regions[1]])
    assert plain[0] != other[0]


def _measured(pictures: Any, **options: Any) -> tuple[str | None, float]:
    found = _recipe(pictures, strength=0.5, **options)
    return found.measured_for, found.style_weight
