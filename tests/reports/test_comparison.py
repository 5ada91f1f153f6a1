"""Two runs as one picture, or as a page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from impasto.errors import OutputError, ParameterError
from impasto.recipes.fields import Input
from impasto.reports import comparison as compare
from tests.conftest import Make, pattern
from tests.reports.test_html import parsed


def holds(sheet: PIL.Image.Image, picture: PIL.Image.Image) -> tuple[int, int]:
    """Where the picture is in the sheet, pixel for pixel."""
    whole, part = np.asarray(sheet), np.asarray(picture)
    height, width, _ = part.shape
    first = np.argwhere((whole[: len(whole) - height, : whole.shape[1] - width] == part[0, 0]).all(axis=-1))
    places = [(x, y) for y, x in first if np.array_equal(whole[y : y + height, x : x + width], part)]
    assert len(places) == 1
    return places[0]


def test_both_results_stand_beside_what_went_in(make: Make, tmp_path: Path) -> None:
    a, b = make("runs/a", result=3), make("runs/b", result=4, style_weight=60.0)
    compare.write(tmp_path / "both.png", a, b)
    sheet = PIL.Image.open(tmp_path / "both.png")
    content, first, second = (holds(sheet, pattern(number)) for number in (-1, 3, 4))
    assert content[0] < first[0] < second[0]
    assert content[1] == first[1] == second[1]


def test_two_contents_make_two_rows(make: Make, tmp_path: Path) -> None:
    pattern(-3).save(tmp_path / "other.png")
    a = make("runs/a", result=3)
    b = make("runs/b", result=4, content=Input(path=str(tmp_path / "other.png"), sha256="d" * 64))
    sheet = compare.draw(a, b)
    places = [holds(sheet, pattern(number)) for number in (-1, 3, -3, 4)]
    assert places[0][1] == places[1][1] < places[2][1] == places[3][1]


def test_a_settings_row_and_a_curve_take_their_room(make: Make, tmp_path: Path) -> None:
    a, b = make("runs/a"), make("runs/b")
    same = compare.draw(a, b)
    assert compare.draw(a, make("runs/c", seed=1)).height - same.height == pytest.approx(22, abs=1)
    (a / "events.jsonl").unlink()
    (b / "events.jsonl").unlink()
    assert same.height - compare.draw(a, b).height == 308


def test_runs_without_pictures_or_recipes_can_be_compared(make: Make, tmp_path: Path) -> None:
    a, b = make("runs/a", result=None, status="failed"), make("runs/b")
    (b / "recipe.toml").write_text("=")
    sheet = compare.draw(a, b)
    assert holds(sheet, pattern(100))
    assert sheet.width >= 640


def test_a_page(make: Make, tmp_path: Path) -> None:
    compare.write(tmp_path / "both.html", make("runs/a"), make("runs/b"))
    page = parsed(tmp_path / "both.html")
    assert page.one("h1").text == "a and b"
    assert len(page.one("section", id="two").all("select")) == 2


def test_what_is_refused(make: Make, tmp_path: Path) -> None:
    a, b = make("runs/a"), make("runs/b")
    with pytest.raises(ParameterError, match=r"both\.gif: expected a name that ends in \.png or \.html"):
        compare.write(tmp_path / "both.gif", a, b)
    with pytest.raises(OutputError, match="cannot write"):
        compare.write(tmp_path / "missing" / "both.png", a, b)
