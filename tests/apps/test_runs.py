"""`stylize --run`, `resume`, `runs`, `show`, `compare`, `rerun`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from impasto.runs.folder import read_events, read_recipe, status
from tests.apps.conftest import Command

PAIR = ("stylize", "content.png", "style.png")
QUICK = (*PAIR, "--size", "32", "--steps", "6", "--device", "cpu", "--precision", "fp32", "-q")


def test_a_run_is_a_folder(impasto: Command, folder: Path, thin: None) -> None:
    run = impasto(*QUICK, "--run", "runs/first", "--save-every", "log")
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith("runs/first/result.png: 32x24, 6 iterations")
    assert {path.name for path in Path("runs/first").iterdir()} >= {
        "recipe.toml",
        "events.jsonl",
        "run.json",
        "result.png",
        "step-000001.png",
        "step-000004.png",
    }
    assert not list(Path().glob("content-style*"))  # the result is in the folder, and nowhere else
    assert len(list(read_events(Path("runs/first")))) == 6


def test_a_run_and_a_file(impasto: Command, folder: Path, thin: None) -> None:
    assert impasto(*QUICK, "--run", "run", "-o", "out.png").code == 0
    assert Path("out.png").read_bytes() == Path("run/result.png").read_bytes()


def test_lists_and_shows(impasto: Command, folder: Path, thin: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no runs in" in impasto("runs").err
    impasto(*QUICK, "--run", "a")
    again = impasto("rerun", "a", "--style-weight", "3", "--run", "b", "-q")
    assert again.code == 0, again.err
    assert read_recipe(Path("b")).style_weight == 3.0
    listed = impasto("runs").out.splitlines()
    assert listed[0].split() == ["run", "status", "pictures", "size", "iterations", "loss", "time"]
    assert [line.split()[:2] for line in listed[1:]] == [["a", "done"], ["b", "done"]]
    assert [each["done"] for each in json.loads(impasto("runs", ".", "--json").out)] == [6, 6]
    shown = impasto("show", "a").out
    assert "a: done, 6 of 6 iterations" in shown
    assert "size = 32" in shown
    assert "relu4_2" in shown
    whole = json.loads(impasto("show", "a", "--json").out)
    assert [event["done"] for event in whole["events"]] == [1, 2, 3, 4, 5, 6]
    compared = impasto("compare", "a", "b").out.splitlines()
    assert compared[1].split() == ["style_weight", "20.0", "3.0"]
    assert json.loads(impasto("compare", "a", "b", "--json").out)["differences"] == {
        "style_weight": [20.0, 3.0]
    }
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert impasto("rerun", folder / "a", "-o", "c.png", "-q").code == 0
    assert Path("c.png").read_bytes() == (folder / "a" / "result.png").read_bytes()


def test_a_strength_is_measured_once_and_can_be_changed(impasto: Command, folder: Path, thin: None) -> None:
    first = impasto(*QUICK[:-1], "--strength", "0.5", "--run", "a")
    assert first.code == 0
    recipe = read_recipe(Path("a"))
    assert f"note: strength 0.5: style weight {recipe.style_weight:g}\n" in first.err
    assert impasto("rerun", "a", "-o", "again.png", "-q").code == 0
    assert Path("again.png").read_bytes() == Path("a/result.png").read_bytes()
    assert impasto("rerun", "a", "--strength", "0.8", "--run", "b", "-q").code == 0
    assert impasto("rerun", "b", "--style-weight", "3", "--run", "c", "-q").code == 0
    stronger, fixed = read_recipe(Path("b")), read_recipe(Path("c"))
    assert (stronger.strength, fixed.strength, fixed.style_weight) == (0.8, None, 3.0)
    assert stronger.style_weight > recipe.style_weight
    assert "--strength" in impasto("plan", "--help").out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((*QUICK, "--run", "done"), "there is one already"),
        (("resume", "done"), "this run is done"),
        (("resume", "content.png"), "expected the folder of a run"),
        (("resume", "missing"), "expected the folder of a run"),
        (("resume", "done", "--save-every", "often"), "--save-every"),
        (("resume", "done", "-o", "out.gif"), "out.gif"),
        (("show", "missing"), "expected the folder of a run"),
        (("runs", "missing"), "expected a folder with runs"),
        (("compare", "done", "missing"), "missing: expected the folder of a run"),
        (("rerun", "missing.png"), "missing.png"),
        (("rerun", "done", "--recipe", "other.toml"), "--recipe: not together"),
        ((*QUICK, "--run", "new", "--save-every", "-1"), "--save-every"),
        ((*QUICK, "--run", "new", "--memory", "100MB"), "needs"),
        ((*PAIR, "--run", "new", "--size", "3"), "size"),
    ],
)
def test_what_is_refused(
    impasto: Command, folder: Path, thin: None, arguments: tuple[str, ...], named: str
) -> None:
    impasto(*QUICK, "--run", "done")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    run = impasto(*arguments)
    assert run.code == 2, run.err
    assert named in run.complaint()
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before
    assert not Path("new").exists()


def test_a_file_where_the_folder_should_be(impasto: Command, folder: Path, thin: None) -> None:
    run = impasto(*QUICK, "--run", "content.png")
    assert run.code == 1
    assert "content.png: cannot write" in run.complaint()


def test_a_damaged_summary_hides_nothing(impasto: Command, folder: Path, thin: None) -> None:
    impasto(*QUICK, "--run", "run")
    Path("run/run.json").write_text("{")
    assert status(Path("run")) == "interrupted"
    assert impasto("runs").code == impasto("show", "run").code == 0
