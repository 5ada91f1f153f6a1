"""`impasto report`, and `impasto compare` with -o."""

from __future__ import annotations

import json
from pathlib import Path

import PIL.Image
import pytest

from tests.apps.conftest import Command
from tests.reports.test_html import parsed

QUICK = ("--size", "32", "--steps", "6", "--device", "cpu", "--precision", "fp32", "-q")


@pytest.fixture
def runs(impasto: Command, folder: Path, thin: None) -> Path:
    """Two runs that were painted."""
    assert (
        impasto("stylize", "content.png", "style.png", *QUICK, "--run", "runs/a", "--save-every", "2").code
        == 0
    )
    assert impasto("rerun", "runs/a", "--seed", "1", "--run", "runs/b", "-q").code == 0
    return folder / "runs"


def test_a_page_of_runs_that_were_painted(impasto: Command, runs: Path) -> None:
    run = impasto("report", "runs", "runs/b")
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith("report.html: 2 runs, 0.")
    page = parsed(Path("report.html"))
    assert page.one("h1").text == "runs, b"
    assert [row.all("td")[1].text for row in page.one("tbody").all("tr")] == ["0", "1"]
    assert [each.text for each in page.one("div", class_="steps").all("figcaption")] == ["2", "4", "6"]
    assert len(page.all("img", data_title="content: content.png")) == 1
    assert impasto("report", "runs/a", "-o", "a.html", "--title", "<One>").code == 0
    assert parsed(Path("a.html")).one("h1").text == "<One>"


def test_compare_also_shows(impasto: Command, runs: Path) -> None:
    said = impasto("compare", "runs/a", "runs/b")
    shown = impasto("compare", "runs/a", "runs/b", "-o", "both.png")
    assert shown.out == said.out + "both.png\n"
    with PIL.Image.open("both.png") as picture:
        assert picture.width >= 640
    as_json = impasto("compare", "runs/a", "runs/b", "-o", "both.html", "--json")
    assert json.loads(as_json.out)["differences"] == {"seed": [0, 1]}
    assert parsed(Path("both.html")).one("h1").text == "seed 0 and seed 1"


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (("report", "missing"), 2, "missing: expected a folder with runs"),
        (("report", "content.png"), 2, "content.png: expected a folder with runs"),
        (("report", "empty"), 2, "empty: expected the folder of a run, or a folder of runs, got neither"),
        (
            ("report", "runs", "-o", "page.pdf"),
            2,
            "--output: expected a name that ends in .html, got page.pdf",
        ),
        (("report", "runs", "-o", "content.png/page.html"), 1, "content.png/page.html: cannot write"),
        (("compare", "runs/a", "runs/b", "-o", "both.jpg"), 2, "both.jpg: expected a name that ends in .png"),
    ],
)
def test_what_is_refused(
    impasto: Command, runs: Path, arguments: tuple[str, ...], code: int, named: str
) -> None:
    Path("empty").mkdir()
    run = impasto(*arguments)
    assert run.code == code
    assert named in run.complaint()
    assert not list(Path().glob("*.html"))


def test_a_run_with_every_kind_of_picture(impasto: Command, runs: Path) -> None:
    options = ("--mask", "all=content.png", "--palette", "style.png", "--init", "content.png")
    assert impasto("rerun", "runs/a", *options, "--run", "runs/c", "-q").code == 0
    assert impasto("report", "runs/c", "-o", "c.html").code == 0
    assert len(parsed(Path("c.html")).one("div", class_="inputs").all("img")) >= 4
