"""Grids: what can be one, what each combination becomes, and folders whose names are safe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from impasto.errors import ParameterError
from impasto.recipes.grid import AXES, check_grid, folder_name, format_value, parse_grid, variants
from impasto.recipes.presets import resolve
from impasto.recipes.recipe import Recipe


def test_values_get_the_types_that_settings_have() -> None:
    grid = parse_grid(
        [
            "style_weight=2e2, 1e3",
            "style_size=256,512",
            "bounded=true,false",
            "white_level=1,255",
            "optimizer=adam,lbfgs",
            "quality=draft",
            "style_layers=relu1_1=0.5,relu2_1;relu3_1",
            "mean_pixel=1,2,3;4,5,6",
            "style_target_layers=relu1_1=relu2_1",
            "init=content,a.png",
        ]
    )
    assert grid == {
        "style_weight": (200.0, 1000.0),
        "style_size": (256, 512),
        "bounded": (True, False),
        "white_level": (1, 255),
        "optimizer": ("adam", "lbfgs"),
        "quality": ("draft",),
        "style_layers": ({"relu1_1": 0.5, "relu2_1": 1.0}, {"relu3_1": 1.0}),
        "mean_pixel": ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)),
        "style_target_layers": ({"relu1_1": "relu2_1"},),
        "init": ("content", "a.png"),
    }
    assert [type(value) for value in grid["style_weight"] + grid["style_size"]] == [float, float, int, int]


def test_every_setting_of_a_recipe_is_an_axis() -> None:
    assert set(AXES) == set(Recipe.model_fields) - {
        "content",
        "styles",
        "palette",
        "style_weights",
        "measured_for",
        "init_sha256",
        "changes",
    } | {"quality"}
    defaults = {
        name: (value,) for name, value in resolve().model_dump().items() if name in AXES and value is not None
    }
    assert check_grid(defaults) == defaults


@pytest.mark.parametrize(
    ("texts", "named"),
    [
        (["style_weight"], "expected SETTING=VALUE,VALUE, got 'style_weight'"),
        (["=1"], "expected SETTING=VALUE"),
        (["size="], "expected SETTING=VALUE"),
        (["stile_weight=1"], "did you mean 'style_weight'"),
        (["size=256,big"], "size: expected a valid integer"),
        (["size=256,2.5"], "size: expected a valid integer"),
        (["size=256,,512"], "size: expected a valid integer"),
        (["size=-1"], "size: expected greater than or equal to 0, got '-1'"),
        (["white_level=2"], "white_level: expected 1 or 255"),
        (["optimizer=adm"], "optimizer: expected 'lbfgs', 'lbfgs-wolfe' or 'adam', got 'adm'"),
        (["quality=best"], "quality: expected 'standard' or 'draft', got 'best'"),
        (["style_weight=1e3,1000"], "style_weight: expected each value once, got 1000 twice"),
        (["size=64", "size=65"], "expected each setting once, got size twice"),
        (["style_layers=relu1_1=x"], "expected a number after relu1_1="),
        (["content=a.png"], "expected a setting that can vary within a pair of pictures, got content"),
        (["measured_for=a"], "pair of pictures, got measured_for"),
    ],
)
def test_what_is_no_grid(texts: list[str], named: str) -> None:
    with pytest.raises(ParameterError) as raised:
        parse_grid(texts)
    assert named in str(raised.value)
    assert str(raised.value).startswith("--grid: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("grid", [{"size": []}, {"size": 64}, {"optimizer": "adam"}, {"size": [64.5]}])
def test_what_is_no_grid_in_python(grid: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=r"grid: (size|optimizer): expected"):
        check_grid(grid)


def _variants(contents: list[str], styles: list[str], **grid: Any) -> Any:
    return variants(
        lambda settings: resolve(**{"size": 64, **settings}),
        contents=[Path(each) for each in contents],
        styles=[Path(each) for each in styles],
        grid=check_grid(grid),
    )


def test_every_combination_once() -> None:
    found = _variants(["a/photo.jpg", "cat.png"], ["wave.jpg", "night.jpg"], steps=[5, 6], size=[64, 32])
    assert len({each.name for each in found}) == len(found) == 16
    assert found[0].name == "photo-wave/steps=5,size=64"
    assert [each.settings for each in found[:4]] == [
        {"steps": 5, "size": 64},
        {"steps": 5, "size": 32},
        {"steps": 6, "size": 64},
        {"steps": 6, "size": 32},
    ]
    for each in found:
        assert {name: getattr(each.recipe, name) for name in each.settings} == each.settings
        assert each.content.is_absolute() and each.style.is_absolute()


def test_a_preset_is_resolved_and_not_only_named() -> None:
    one, other = _variants(["a.png"], ["b.png"], preset=["impasto", "crowson"])
    assert one.recipe == resolve(size=64)
    assert other.recipe == resolve("crowson", size=64)
    (draft,) = _variants(["a.png"], ["b.png"], quality=["draft"])
    assert draft.recipe == resolve(size=64, quality="draft")


def test_no_grid_is_one_run_a_pair() -> None:
    assert [each.name for each in _variants(["a.png"], ["b.png", "c.png"])] == ["a-b/plain", "a-c/plain"]


def test_pairs_of_one_name_are_told_apart() -> None:
    found = _variants(["x/a.png", "y/A.jpg"], ["b.png"])
    assert [each.name for each in found] == ["a-b/plain", "A-b-2/plain"]
    with pytest.raises(ParameterError, match=r"style: expected each picture once, got .*b\.png twice"):
        _variants(["a.png"], ["b.png", "./b.png"])


def test_a_combination_that_cannot_be() -> None:
    with pytest.raises(ParameterError, match="strength: expected without weights"):
        _variants(["a.png"], ["b.png"], strength=[0.5], style_weight=[1.0])


@pytest.mark.parametrize(
    "settings",
    [
        {"style_weight": 1234567.125, "seed": 2**60},
        {"init": "/tmp/../etc/passwd"},
        {"init": "a\nb"},
        {"init": "é" * 300},
        {"weights": "https://example.org/w.pt?x=1&y=2"},
        {"style_layers": {f"relu{block}_{layer}": 0.125 for block in range(1, 6) for layer in range(1, 5)}},
    ],
)
def test_names_are_safe(settings: dict[str, Any], tmp_path: Path) -> None:
    name = folder_name(settings)
    assert "/" not in name and "\n" not in name and ":" not in name
    assert not name.startswith(".")
    assert len(name.encode()) <= 200
    (tmp_path / name).mkdir()


def test_names_of_different_settings_differ() -> None:
    values = [1e3, 1000.0001, 1e16, 1e-9, 0.1 + 0.2, 0.3]
    assert len({folder_name({"style_weight": value}) for value in values}) == len(values)
    starts = ["a/b", "a:b", "a-b", "a b", "x" * 500, "x" * 501]
    assert len({folder_name({"init": start}) for start in starts}) == len(starts)
    assert [format_value(value) for value in (200.0, 5, True, (0.5, 2.0), {"relu1_1": 1.0})] == [
        "200",
        "5",
        "true",
        "0.5+2",
        "relu1_1=1",
    ]
