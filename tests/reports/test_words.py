"""Runs are called what a person would call them, and never two of them the same."""

from __future__ import annotations

from typing import Any

import pytest

from impasto.recipes.fields import Input
from impasto.recipes.recipe import Recipe
from impasto.reports.words import Title, phrase, titles, unlike

PHOTO = Input(path="some/photo.jpg", sha256="a")


def recipe(**settings: Any) -> Recipe:
    given = {"content": PHOTO, "styles": (Input(path="wave.png", sha256="b"),), **settings}
    return Recipe(**given)


def called(*recipes: Recipe | None) -> list[str]:
    return [each.whole for each in titles(recipes, [f"run{at}" for at in range(len(recipes))])]


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("style_weight", 20.0, "style weight 20"),
        ("style_weight", 1e6, "style weight 1e6"),
        ("style_layers", {"relu1_1": 1.0, "relu2_1": 0.5}, "style layers relu1_1 1, relu2_1 0.5"),
        ("color", "keep", "colour keep"),
        ("init", "noise", "start noise"),
        ("seamless", True, "seamless"),
        ("seamless", False, "no seamless"),
        ("strength", None, "no strength"),
    ],
)
def test_settings_in_words(setting: str, value: Any, words: str) -> None:
    assert phrase(setting, value) == words


def test_what_differs_is_the_title() -> None:
    assert called(recipe(), recipe(style_weight=60.0)) == ["style weight 20", "style weight 60"]
    assert called(recipe(), recipe(styles=(Input(path="lion.png", sha256="c"),))) == [
        "photo in the style of wave",
        "photo in the style of lion",
    ]
    assert titles([recipe(styles=(Input(path="lion.png", sha256="c"),)), recipe()], "ab")[1].short == ""


def test_what_a_preset_brings_is_not_listed() -> None:
    other = recipe(preset="gatys", content_loss="half-sum", style_loss="gram", style_weight=1000.0)
    assert called(recipe(), recipe(seed=3), other) == [
        "preset impasto, seed 0",
        "preset impasto, seed 3",
        "preset gatys",
    ]


def test_titles_are_unique_and_runs_that_differ_in_nothing_have_their_names() -> None:
    assert called(recipe(), recipe()) == ["run0", "run1"]
    assert called(recipe(), recipe(), recipe(seed=1)) == ["seed 0 (run0)", "seed 0 (run1)", "seed 1"]
    assert called(recipe(), None) == ["run0", "run1"]
    assert titles([None], ["gone"]) == [Title("gone", "gone")]


def test_a_strength_stands_for_its_weight() -> None:
    assert called(recipe(strength=0.2, style_weight=3.0), recipe(strength=0.7, style_weight=90.0)) == [
        "strength 0.2",
        "strength 0.7",
    ]


def test_losses_compare_where_they_measure_the_same() -> None:
    assert (
        unlike([recipe(), recipe(seed=1, steps=9, init="noise", optimizer="adam", device="cpu"), None])
        is None
    )
    said = unlike([recipe(), recipe(style_weight=2.0, size=64)])
    assert said is not None
    assert said.startswith("These runs differ in size and style weight:")
