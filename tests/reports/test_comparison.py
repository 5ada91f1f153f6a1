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
    sheet = compare.draw(a, b, cell=64)
    first, second = (holds(sheet, pattern(number)) for number in (3, 4))
    assert first[0] < second[0]
    assert first[1] == second[1]
    # At the left, together as high as a result: the content, and below it the style.
    for at, number in enumerate((-1, -2)):
        small = pattern(number).resize((27, 20), PIL.Image.Resampling.LANCZOS)
        x, y = holds(sheet, small)
        assert x < first[0]
        assert y == first[1] + 28 * at


def test_results_of_two_sizes_are_shown_at_one(make: Make, tmp_path: Path) -> None:
    a, b = make("runs/a", result=3), make("runs/b", result=4, size=32)
    pattern(4).resize((32, 24)).save(b / "result.png")
    sheet = compare.draw(a, b, cell=64)
    x, y = holds(sheet, pattern(3))
    there = np.asarray(sheet.crop((x + 72, y, x + 136, y + 48))).astype(float)
    assert np.abs(there - np.asarray(pattern(4))).mean() < 8


def test_two_contents_stand_each_beside_its_result(make: Make, tmp_path: Path) -> None:
    pattern(-3).save(tmp_path / "other.png")
    a = make("runs/a", result=3)
    b = make("runs/b", result=4, content=Input(path=str(tmp_path / "other.png"), sha256="d" * 64))
    sheet = compare.draw(a, b, cell=64)
    small = [pattern(number).resize((27, 20), PIL.Image.Resampling.LANCZOS) for number in (-1, -3)]
    places = [holds(sheet, picture) for picture in (small[0], pattern(3), small[1], pattern(4))]
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert len({y for _, y in places}) == 1


def test_a_settings_row_and_a_curve_take_their_room(make: Make, tmp_path: Path) -> None:
    a, b = make("runs/a"), make("runs/b")
    same = compare.draw(a, b, cell=64)
    other = compare.draw(a, make("runs/c", seed=1), cell=64)
    assert other.height - same.height == pytest.approx(22, abs=1)
    # Where the pictures are wide enough, the curves stand beside the table.
    assert compare.draw(a, b, cell=512).height < same.height + (512 - 64) * 3 / 4 - 200
    (a / "events.jsonl").unlink()
    (b / "events.jsonl").unlink()
    assert same.height - compare.draw(a, b, cell=64).height > 300


def test_runs_without_pictures_or_recipes_can_be_compared(make: Make, tmp_path: Path) -> None:
    a, b = make("runs/a", result=None, status="failed"), make("runs/b")
    (b / "recipe.toml").write_text("=")
    sheet = compare.draw(a, b, cell=64)
    assert holds(sheet, pattern(100))
    assert sheet.width >= 640


def test_a_page(make: Make, tmp_path: Path) -> None:
    compare.write(tmp_path / "both.html", make("runs/a"), make("runs/b", result=3, style_weight=60.0))
    page = parsed(tmp_path / "both.html")
    assert page.one("h1").text == "style weight 20 and style weight 60"
    duel = page.one("div", class_="duel")
    assert [image.attributes["alt"] for image in duel.all("img")] == ["style weight 20", "style weight 60"]
    inputs = page.one("div", class_="inputs").all("img")
    assert [image.attributes["alt"] for image in inputs] == ["content: photo.png", "style: painting.png"]
    rows = page.one("tbody").all("tr")
    assert [cell.text for cell in rows[0]._below() if cell.tag in ("th", "td")] == [
        "style weight",
        "20",
        "60",
    ]
    assert [row.one("th").text for row in rows[1:]] == ["status", "iterations", "final loss", "seconds"]
    assert not page.all("input") + page.all("select")  # nothing to filter or sort
    identities = {each.attributes["id"] for each in page._below() if "id" in each.attributes}
    assert {link.attributes["href"].removeprefix("#") for link in page.all("a")} <= identities


def test_a_page_of_runs_without_pictures(make: Make, tmp_path: Path) -> None:
    a = make("runs/a", result=None, status="failed", count=0)
    compare.write(tmp_path / "both.html", a, tmp_path / "runs/missing")
    page = parsed(tmp_path / "both.html")
    assert page.one("h1").text == "a and missing"
    assert [each.text for each in page.one("div", class_="duel").all("div", class_="empty")] == [
        "no picture yet"
    ] * 2


def test_what_is_refused(make: Make, tmp_path: Path) -> None:
    a, b = make("runs/a"), make("runs/b")
    with pytest.raises(ParameterError, match=r"both\.gif: expected a name that ends in \.png or \.html"):
        compare.write(tmp_path / "both.gif", a, b)
    with pytest.raises(OutputError, match="cannot write"):
        compare.write(tmp_path / "missing" / "both.png", a, b)
