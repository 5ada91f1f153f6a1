"""Losses by name and by layer: each paints, tiles, resumes and blends, and what it cannot use is refused early."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import PIL.Image
import pytest
import torch

import impasto
from impasto.assembly import networks
from impasto.assembly.objective import BALANCE, CONTENT_LOSSES, STYLE_LOSSES, build_objective
from impasto.assembly.schedule import build_levels, build_start
from impasto.engine.evaluation import autograd_evaluation
from impasto.errors import ParameterError
from impasto.losses.objective import FeatureMapTerm, StyleLoss, StyleTerm
from impasto.losses.relaxed_transport import RelaxedTransport
from impasto.losses.self_similarity import SelfSimilarity
from impasto.recipes.fields import ContentLossName, StyleLossName
from impasto.recipes.presets import PRESETS, resolve
from impasto.recipes.recipe import Recipe
from impasto.runs import recording
from impasto.runs.create import stylize
from impasto.runs.resume import go_on
from impasto.swatches import paint
from impasto.transfer import strength
from impasto.transfer.api import make_session
from impasto.transfer.peak_memory import peak
from impasto.transfer.session import Session
from tests.thin import load_with, thin

OPTIONS: dict[str, Any] = {"size": 48, "steps": 3, "device": "cpu", "precision": "fp32"}
THIN = thin("vgg19")
DRAWING = ("sliced-wasserstein", "relaxed-transport")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network with a sixteenth of the channels; strength is measured at few pixels."""
    load_with(monkeypatch, lambda *given, **named: THIN)
    monkeypatch.setattr(strength, "SIDE", 32)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pictures")
    content, style = folder / "content.png", folder / "style.png"
    PIL.Image.fromarray(paint("points", size=64)).save(content)
    PIL.Image.fromarray(paint("glass", size=60)).save(style)
    return content, style


def _evaluated(session: Session) -> Any:
    return session.evaluate()(session.content.float() / 255.0)


def test_every_name_is_a_loss() -> None:
    assert set(STYLE_LOSSES) == set(get_args(StyleLossName))
    assert set(CONTENT_LOSSES) == set(get_args(ContentLossName))
    assert set(BALANCE) < {*STYLE_LOSSES, *CONTENT_LOSSES}


def test_what_presets_minimise_is_not_balanced() -> None:
    """A recipe that was written before there were other losses means what it meant."""
    for name in PRESETS:
        recipe = resolve(name)
        assert not {recipe.style_loss, recipe.content_loss} & BALANCE.keys()
        assert "style_losses" not in recipe.to_toml() or recipe.style_losses == {}
        weights = [term.weight for term in build_objective(recipe) if isinstance(term, StyleTerm)]
        assert weights == [recipe.style_weight * weight for weight in recipe.style_layers.values()]


@pytest.mark.parametrize("name", ["gram-share", *(name for name in STYLE_LOSSES if name in BALANCE)])
def test_each_paints_and_lowers_its_loss(pictures: tuple[Path, Path], name: str) -> None:
    steps: list[float] = []
    result = impasto.stylize(
        *pictures,
        style_loss=name,
        content_weight=0.0,
        **{**OPTIONS, "steps": 8},
        on_step=lambda step: steps.append(step.loss),
    )
    assert result.loss < steps[0]
    assert list(result.losses) == [f"style relu{block}_1" for block in range(1, 6)]


def test_self_similarity_paints(pictures: tuple[Path, Path]) -> None:
    result = impasto.stylize(*pictures, content_loss="self-similarity", **OPTIONS)
    assert next(iter(result.losses)) == "content relu4_2"
    assert 0.0 < result.losses["content relu4_2"] < 10.0


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_a_blend_of_equal_styles_is_the_style(pictures: tuple[Path, Path], name: str) -> None:
    content, style = pictures
    # In float64: where covariances lack full rank, as with so few pixels, Newton-Schulz makes much of rounding.
    layers = (
        {"relu2_1": 1.0, "relu3_1": 0.5}
        if name == "wasserstein-newton-schulz"
        else {"relu2_1": 1.0, "relu4_1": 0.5}
    )
    options = {**OPTIONS, "style_loss": name, "style_layers": layers}
    one = make_session(content, style, options)
    two = make_session(content, [style, style], {**options, "style_weights": (0.3, 0.7)})
    x = torch.rand(1, 3, *one.size, generator=torch.Generator().manual_seed(0))
    plain, blended = one.evaluate()(x), two.evaluate()(x)
    assert blended.loss == pytest.approx(plain.loss, rel=1e-4)
    assert float((blended.gradient - plain.gradient).norm()) < 1e-3 * float(plain.gradient.norm())


def test_towards_several_styles_is_the_sum_by_shares(pictures: tuple[Path, Path]) -> None:
    content, style = pictures
    other = paint("mosaic", size=60)
    options = {**OPTIONS, "style_loss": "patches", "content_weight": 0.0, "style_layers": {"relu3_1": 1.0}}
    both = make_session(content, [style, other], {**options, "style_weights": (1.0, 3.0)})
    x = torch.rand(1, 3, *both.size, generator=torch.Generator().manual_seed(0))
    alone = [make_session(content, each, options).evaluate()(x) for each in (style, other)]
    found = both.evaluate()(x)
    assert found.loss == pytest.approx(0.25 * alone[0].loss + 0.75 * alone[1].loss, rel=1e-5)
    assert alone[0].loss != pytest.approx(alone[1].loss, rel=1e-3)


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_the_session_evaluates_as_autograd_does(pictures: tuple[Path, Path], name: str) -> None:
    """In tiles: the same as the network's own layers through the same losses."""
    options = {**OPTIONS, "tile": 16, "style_loss": name, "style_layers": {"relu1_1": 1.0, "relu2_1": 0.5}}
    session = make_session(*pictures, options)
    x = torch.rand(1, 3, *session.size, generator=torch.Generator().manual_seed(0))
    level = session.levels[-1]
    session.load()
    encoder = session.engine.encoder
    plain = autograd_evaluation(encoder, build_objective(session.recipe), [1.0])(
        lambda: impasto.geometry.resize(session.content, level.size),
        [lambda: impasto.geometry.resize(session.styles[0], level.styles[0])],
    )(x)
    assert session.evaluate()(x).loss == pytest.approx(plain.loss, rel=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"style_loss": "sliced-wasserstein"},
        {"style_loss": "relaxed-transport", "content_loss": "self-similarity", "optimizer": "adam"},
        {
            "style_losses": {"relu2_1": {"patches": 1.0, "sliced-wasserstein": 0.5}},
            "optimizer": "lbfgs-wolfe",
        },
    ],
    ids=["sliced", "relaxed", "mixed"],
)
def test_a_resumed_run_is_the_uninterrupted_one(
    pictures: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    class PowerCutError(Exception):
        pass

    given = {**OPTIONS, "steps": 16, "seed": 5, **options}
    monkeypatch.setattr(recording, "CHECKPOINT_SECONDS", 0.0)
    # These pictures have no more pixels than are looked at otherwise.
    monkeypatch.setitem(STYLE_LOSSES, "relaxed-transport", RelaxedTransport(max_pixels=50))  # type: ignore[misc]
    monkeypatch.setitem(CONTENT_LOSSES, "self-similarity", SelfSimilarity(max_pixels=10))  # type: ignore[misc]
    uninterrupted = impasto.stylize(*pictures, **given)
    for cut in (10, 13)[: 2 if len(options) == 1 else 1]:  # where another sample is drawn, and beyond

        def stop(step: impasto.Step, cut: int = cut) -> None:
            if step.done == cut:
                raise PowerCutError

        run = tmp_path / str(cut)
        with pytest.raises(PowerCutError):
            stylize(run, *pictures, on_step=stop, **given)
        assert torch.equal(go_on(run).image, uninterrupted.image)
    other = impasto.stylize(*pictures, **{**given, "seed": 6})
    assert not torch.equal(other.image, uninterrupted.image)


def test_each_layer_its_own_losses() -> None:
    recipe = resolve(
        style_layers={"relu1_1": 1.0, "relu3_1": 2.0, "relu4_1": 1.0},
        style_loss="histogram",
        style_losses={"relu3_1": {"gram-share": 0.5, "patches": 3.0}, "relu4_1": {"wasserstein": 1.0}},
    )
    terms = {term.name: term for term in build_objective(recipe) if not term.name.startswith("content")}
    assert list(terms) == [
        "style relu1_1",
        "style relu3_1 gram-share",
        "style relu3_1 patches",
        "style relu4_1 wasserstein",
    ]
    assert terms["style relu3_1 gram-share"].weight == pytest.approx(20.0 * 2.0 * 0.5)
    assert terms["style relu3_1 patches"].weight == pytest.approx(20.0 * 2.0 * 3.0 * BALANCE["patches"])
    assert isinstance(terms["style relu1_1"], FeatureMapTerm)
    assert Recipe.from_toml(recipe.to_toml()) == recipe


def test_the_seed_is_the_samples() -> None:
    for seed in (0, 7):
        for name in DRAWING:
            (term, *_) = (
                t
                for t in build_objective(resolve(style_loss=name, seed=seed))
                if isinstance(t, FeatureMapTerm)
            )
            assert term.loss.draws
            assert term.loss.seed == seed  # type: ignore[attr-defined]


@pytest.mark.parametrize("what", ["content", "style"])
def test_a_picture_too_small_is_refused_before_work(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patches of relu5_1 need 48 pixels; a result below is refused, a small style is enlarged."""
    load_with(monkeypatch, lambda *given, **named: pytest.fail("loaded"))
    small, large = paint("points", size=40), paint("points", size=64)
    options = {**OPTIONS, "style_loss": "patches"}
    if what == "content":
        with pytest.raises(ParameterError, match=r"at least 48 pixels on each side of the result, got 40x40"):
            make_session(small, large, {**options, "size": 40})
    else:
        session = make_session(large, small, {**options, "style_size": 40})
        assert session.levels[-1].styles == ((48, 48),)


def test_maps_too_small_for_patches_are_refused_by_any_network(pictures: tuple[Path, Path]) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, stride=24))
    encoder = impasto.from_module(network, layers=["0"], mean=(0.5,) * 3, std=(0.25,) * 3)
    options = {**OPTIONS, "encoder": encoder, "content_layers": {"0": 1.0}, "style_layers": {"0": 1.0}}
    with pytest.raises(ParameterError, match=r"style 0: expected feature maps of at least 3 pixels.*got 2x2"):
        impasto.stylize(*pictures, style_loss="patches", **options)


def test_layers_with_other_channels_are_refused(pictures: tuple[Path, Path]) -> None:
    for loss in ("patches", "wasserstein"):
        with pytest.raises(
            ParameterError, match="style relu3_1: expected a target layer with 16 channels, got relu1_1"
        ):
            impasto.stylize(
                *pictures,
                style_loss=loss,
                style_layers={"relu3_1": 1.0},
                style_target_layers={"relu3_1": "relu1_1"},
                **OPTIONS,
            )


@pytest.mark.parametrize("name", [name for name, loss in STYLE_LOSSES.items() if name in BALANCE])
def test_strength_works_with_each(pictures: tuple[Path, Path], name: str) -> None:
    given = {"strength": 0.5, "style_loss": name, "style_layers": {"relu2_1": 1.0, "relu3_1": 0.5}}
    session = make_session(*pictures, OPTIONS | given)
    session.load()
    assert 0.01 < session.recipe.style_weight < 1e4


def test_strength_of_mixed_losses(pictures: tuple[Path, Path]) -> None:
    def measured(losses: dict[str, dict[str, float]]) -> Recipe:
        session = make_session(
            *pictures,
            {
                **OPTIONS,
                "strength": 0.5,
                "style_layers": {"relu2_1": 1.0, "relu3_1": 1.0},
                "style_losses": losses,
            },
        )
        session.load()
        return session.recipe

    one, other = (measured({"relu3_1": {name: 1.0}}) for name in ("patches", "histogram"))
    assert one.style_weight != other.style_weight
    assert one.measured_for != other.measured_for
    with pytest.raises(ParameterError, match="gram-sums beside others"):
        measured({"relu3_1": {"gram-sums": 1.0}})


def test_whole_maps_cost_memory() -> None:
    def bytes_of(**given: Any) -> float:
        recipe = resolve(size=2048, **given)
        levels = build_levels(recipe, (1536, 2048), [(1536, 2048)], min_side=16)
        cost = networks.ENCODERS[recipe.encoder].cost
        assert cost is not None
        return peak(
            recipe,
            cost(recipe),
            content=(1536, 2048),
            styles=[(1536, 2048)],
            levels=levels,
            device=torch.device("cpu"),
            itemsize=4,
        )

    gram = bytes_of()
    for name, loss in STYLE_LOSSES.items():
        if isinstance(loss, StyleLoss):
            assert bytes_of(style_loss=name) == gram
        else:
            # The maps of relu1_1 and relu2_1 alone, with the gradient.
            assert bytes_of(style_loss=name) > gram + 2 * 4 * 2048 * 1536 * (64 + 32)
    deep = bytes_of(style_losses={"relu4_1": {"patches": 1.0}})
    assert gram < deep < bytes_of(style_losses={"relu1_1": {"patches": 1.0}})


def test_noise_is_blended_into_the_first_image() -> None:
    content = torch.rand(1, 3, 20, 30, generator=torch.Generator().manual_seed(0))
    start, noisy, half = (
        build_start(resolve(**given), (20, 30), content, [content], None)
        for given in ({}, {"init": "noise"}, {"init_noise": 0.5})
    )
    torch.testing.assert_close(half, (start + noisy) / 2)
