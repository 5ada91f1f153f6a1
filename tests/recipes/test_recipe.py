"""Recipes: round trips, what is refused, and that presets are what design says the tools compute."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from impasto.errors import ParameterError
from impasto.recipes.fields import Input
from impasto.recipes.presets import PRESETS, change, resolve
from impasto.recipes.recipe import Recipe

weights = st.floats(0.0, 1e9, allow_nan=False)


@settings(deadline=None)
@given(
    content_weight=st.floats(1e-6, 1e9),
    style_weight=weights,
    size=st.integers(0, 9000),
    seed=st.integers(0, 2**62),
    style_size=st.none() | st.integers(0, 5000),
    shares=st.lists(st.floats(0.01, 5), min_size=2, max_size=2),
    path=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
)
def test_toml_round_trip(shares: list[float], path: str, **settings_: object) -> None:
    recipe = Recipe(
        content=Input(path=path, sha256="0" * 64),
        styles=(Input(path="a.jpg"), Input(path="b.jpg")),
        style_weights=tuple(shares),
        **settings_,  # type: ignore[arg-type]
    )
    assert Recipe.from_toml(recipe.to_toml()) == recipe


@pytest.mark.parametrize("faithful", [False, True])
@pytest.mark.parametrize("preset", PRESETS)
def test_presets_survive_toml(preset: str, faithful: bool) -> None:
    if faithful and not PRESETS[preset].faithful:
        with pytest.raises(ParameterError, match="expected a preset that follows a tool"):
            resolve(preset, faithful=True)
        return
    recipe = resolve(preset, faithful=faithful)
    assert Recipe.from_toml(recipe.to_toml()) == recipe


def test_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Recipe().size = 3  # type: ignore[misc]


def test_what_is_given_beats_the_tool_which_beats_the_preset() -> None:
    assert resolve("neural-style").init == "content"
    assert resolve("neural-style", faithful=True).init == "noise"
    assert resolve("neural-style", faithful=True, init="style").init == "style"
    assert resolve("neural-style", init=None, size=64).size == 64
    changed = change(resolve("gatys", size=64), {"steps": 7, "seed": None})
    assert (changed.size, changed.steps, changed.preset) == (64, 7, "gatys")


@pytest.mark.parametrize(
    ("preset", "content", "style", "tv"),
    [
        ("seed", 2e6, 5e3, 50.0),
        ("seed-fixed", 2e6, 5e3, 50.0),
        ("gordic", 1e5, 3e4, 1.0),
        ("neural-style", 5.0, 100.0, 1e-3),
        ("pastiche", 1.0, 1.0, 0.0),
        ("crowson", 0.015, 1.0, 2.0),
    ],
)
def test_weights_of_the_tools(preset: str, content: float, style: float, tv: float) -> None:
    recipe = resolve(preset)
    assert (recipe.content_weight, recipe.style_weight, recipe.tv_weight) == (content, style, tv)


@pytest.mark.parametrize(
    ("preset", "size", "fit", "init", "optimizer", "steps"),
    [
        ("seed", 800, "height", "noise", "adam", 2500),
        ("gordic", 400, "height", "content", "lbfgs-wolfe", 1000),
        ("neural-style", 512, "long", "noise", "lbfgs", 1000),
        ("pastiche", 500, "area", "content", "lbfgs", 1000),
        ("crowson", 512, "long", "content", "adam", 3000),
        ("gatys", 512, "short", "noise", "lbfgs", 500),
    ],
)
def test_how_the_tools_work(preset: str, size: int, fit: str, init: str, optimizer: str, steps: int) -> None:
    recipe = resolve(preset, faithful=True)
    assert (recipe.size, recipe.fit, recipe.init) == (size, fit, init)
    assert (recipe.optimizer, recipe.steps) == (optimizer, steps)
    # What is minimised is the same either way.
    plain = resolve(preset)
    for field in ("content_weight", "style_weight", "tv_weight", "content_layers", "style_layers"):
        assert getattr(recipe, field) == getattr(plain, field)


@pytest.mark.parametrize(
    ("preset", "layer_weights", "losses"),
    [
        ("seed", (0.6 / 4.2, 1 / 4.2, 1 / 4.2, 1 / 4.2, 0.6 / 4.2), ("mean", "gram", "absolute-sum")),
        ("gordic", (0.2,) * 5, ("mean", "gram", "absolute-sum")),
        ("neural-style", (1.0,) * 5, ("mean", "gram-elements", "absolute-sum")),
        ("pastiche", (10.0,) * 5, ("mean", "gram-elements", "absolute-mean")),
        (
            "crowson",
            (256 / 341, 64 / 341, 16 / 341, 4 / 341, 1 / 341),
            ("mean", "wasserstein-newton-schulz", "nine-point"),
        ),
        ("textbook", (1.0,) * 5, ("half-sum", "gram-sums", "absolute-mean")),
        ("gatys", (0.05,) * 5, ("half-sum", "gram", "absolute-mean")),
    ],
)
def test_layers_and_losses_of_the_tools(
    preset: str, layer_weights: tuple[float, ...], losses: tuple[str, str, str]
) -> None:
    recipe = resolve(preset)
    assert list(recipe.style_layers) == [f"relu{block}_1" for block in range(1, 6)]
    assert tuple(recipe.style_layers.values()) == pytest.approx(layer_weights)
    assert recipe.content_layers == {"relu4_2": 0.01 if preset == "pastiche" else 1.0}
    assert (recipe.content_loss, recipe.style_loss, recipe.tv_loss) == losses


def test_the_seeds_mistake_is_the_only_difference() -> None:
    seed, mended = resolve("seed"), resolve("seed-fixed")
    assert seed.style_target_layers == {"relu5_1": "relu4_2"}
    assert change(seed, {"preset": "seed-fixed", "style_target_layers": {}}) == mended


def test_networks_bring_their_layers() -> None:
    assert resolve("seed", encoder="vgg16").content_layers == {"relu2_1": 1.0}
    assert resolve("gatys", encoder="vgg16").content_layers == {"relu4_2": 1.0}
    mobile = resolve("seed", encoder="mobilenet-v2")
    assert list(mobile.style_layers) == [f"features.{index}" for index in (0, 3, 6, 9, 13)]
    assert list(mobile.content_layers) == ["features.3"]
    assert resolve(encoder="mobilenet-v2", content_layers={"features.6": 1.0}).content_layers == {
        "features.6": 1.0
    }


def test_style_shares() -> None:
    styles = (Input(path="a"), Input(path="b"))
    assert Recipe(styles=styles).style_shares == (0.5, 0.5)
    assert Recipe(styles=styles, style_weights=(3.0, 1.0)).style_shares == (0.75, 0.25)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"siez": 3}, "unknown name 'siez'; did you mean 'size'"),
        ({"size": -1}, "size: expected greater than or equal to 0, got -1"),
        ({"style_weight": float("nan")}, "style_weight: expected a finite number, got nan"),
        ({"optimizer": "sgd"}, "optimizer: expected 'lbfgs', 'lbfgs-wolfe' or 'adam', got 'sgd'"),
        (
            {"content_layers": {"relu4_2": -1.0}},
            "content_layers.relu4_2: expected greater than or equal to 0",
        ),
        ({"content_weight": 0, "style_weight": 0}, "got nothing to minimise"),
        ({"style_weights": (0.0, 0.0)}, "got only zeros"),
    ],
)
def test_refusals(given: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError) as error:
        resolve(**given)  # type: ignore[arg-type]
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_loss_of_all_layers_ends_those_of_single_ones() -> None:
    mixed = resolve(style_losses={"relu1_1": {"patches": 1.0}})
    assert change(mixed, {"style_loss": "histogram"}).style_losses == {}
    assert change(mixed, {"seed": 1}).style_losses == mixed.style_losses
    assert mixed.losses_at("relu1_1") == {"patches": 1.0}
    assert mixed.losses_at("relu2_1") == {"gram-share": 1.0}
    for wrong in (
        {"relu9_9": {"patches": 1.0}},
        {"relu1_1": {}},
        {"relu1_1": {"patches": -1.0}},
        {"relu1_1": "patches"},
    ):
        with pytest.raises(ParameterError, match="style_losses"):
            resolve(style_losses=wrong)


def test_a_draft_is_shorter_whatever_the_preset() -> None:
    for preset in PRESETS:
        assert resolve(preset, quality="draft").steps < resolve(preset).steps
    assert resolve(quality="draft", steps=7).steps == 7
    assert resolve(quality="standard") == resolve()
    with pytest.raises(ParameterError, match="quality"):
        resolve(quality="perfect")
    with pytest.raises(ParameterError, match="quality"):
        resolve("gatys", faithful=True, quality="draft")
