"""A setting is written once: help, options, keywords, schema and the page all have it, from the same place."""

from __future__ import annotations

import copy
import pickle
import runpy
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest

from impasto.apps.cli.__main__ import app
from impasto.apps.cli.options import GIVEN_OTHERWISE, Options
from impasto.errors import ParameterError
from impasto.recipes.parsing import parse_setting, spell
from impasto.recipes.presets import resolve
from impasto.recipes.recipe import Recipe
from impasto.recipes.settings import Group, Settings
from impasto.transfer.keywords import Keywords

DERIVED = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "settings.py"))


@pytest.mark.parametrize("name", Settings.model_fields)
def test_each_is_described_and_grouped(name: str) -> None:
    field = Settings.model_fields[name]
    assert field.description
    assert field.description[0].isupper()
    assert field.description.endswith(".")
    assert DERIVED["group_of"](name) in get_args(Group)


def test_each_can_be_given_on_the_command_line() -> None:
    options = {field.name for field in fields(Options)}  # type: ignore[arg-type]
    assert Settings.model_fields.keys() - options == GIVEN_OTHERWISE.keys()


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if name not in GIVEN_OTHERWISE])
def test_help_has_it_with_its_description(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = _help(capsys)
    assert f"--{name.replace('_', '-')}" in shown
    said = Settings.model_fields[name].description or ""
    assert "".join(said.replace("`", "").split()) in shown


def _help(capsys: pytest.CaptureFixture[str], kept: dict[str, str] = {}) -> str:  # noqa: B006
    if "help" not in kept:
        app(["stylize", "--help"], exit_on_error=False, result_action="return_value")
        lines = capsys.readouterr().out.splitlines()
        # The column of descriptions alone, so that they read on from line to line.
        kept["help"] = "".join("".join(line.strip("│ ").split("  ")[-1].split()) for line in lines)
        kept["help"] += "".join(word for line in lines for word in line.split() if word.startswith("--"))
    return kept["help"]


def test_editors_know_each() -> None:
    assert set(Keywords.__annotations__) >= Settings.model_fields.keys() - {"content", "styles"}


def test_what_is_derived_is_up_to_date() -> None:
    for path, written in ((DERIVED["PAGE"], "page"), (DERIVED["KEYWORDS"], "keywords")):
        assert path.read_text(encoding="utf-8") == DERIVED[written](), "run: python docs/settings.py"


def test_the_schema_has_each() -> None:
    properties = Recipe.model_json_schema()["properties"]
    assert properties.keys() == Settings.model_fields.keys()
    assert all(properties[name]["description"] for name in properties)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"style_weight": -1.0}, "style_weight"),
        ({"content_layers": {"relu1_1": -1.0}}, "content_layers"),
        ({"style_weights": (0.0, 0.0)}, "style_weights"),
        ({"content_weight": 0.0, "style_weight": 0.0}, "content_weight"),
        ({"seamless": True, "tv_weight": 1.0}, "seamless"),
        ({"stile_weight": 1.0}, "stile_weight"),
    ],
)
def test_an_error_says_which_one_is_wrong(given: dict[str, Any], field: str) -> None:
    with pytest.raises(ParameterError) as caught:
        resolve(**given)
    assert caught.value.field == field
    for twin in (pickle.loads(pickle.dumps(caught.value)), copy.copy(caught.value)):  # noqa: S301
        assert (str(twin), twin.field) == (str(caught.value), field)


def test_a_misspelt_setting_gets_the_nearest_names() -> None:
    with pytest.raises(ParameterError, match=r"setting: unknown name 'sze'; did you mean .*'size'"):
        resolve(sze=3)
    with pytest.raises(ParameterError, match=r"setting: unknown name 'xyzzy'$"):
        resolve(xyzzy=3)


def test_a_default_as_help_shows_it_can_be_given() -> None:
    recipe = resolve()
    for name in Settings.model_fields:
        value = getattr(recipe, name)
        if isinstance(value, dict | tuple) and value:
            assert parse_setting(name, spell(value), option=name) == value


def test_help_of_a_recipe_describes_each(capsys: pytest.CaptureFixture[str]) -> None:
    help(Recipe)
    shown = "".join(capsys.readouterr().out.replace("|", " ").split())
    for name, field in Settings.model_fields.items():
        assert "".join(f"{name}: {field.description}".split()) in shown
    assert len(Recipe.model_json_schema()["description"]) < 100
