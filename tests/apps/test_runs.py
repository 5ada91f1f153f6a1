"""`stylize --run`, `resume`, `runs`, `show`, `compare`, `rerun`."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from impasto import images
from impasto.runs import recording, resume
from impasto.runs.checkpoint import Checkpoint
from impasto.runs.folder import RunFolder
from impasto.runs.readers import read_events, read_recipe, read_summary, status
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


def test_runs_are_listed_by_number(impasto: Command, folder: Path, thin: None) -> None:
    for number in (10, 2, 1):
        assert impasto(*QUICK, "--run", f"runs/run{number}").code == 0
    listed = json.loads(impasto("runs", "--json").out)
    assert [each["run"] for each in listed] == [str(Path("runs", f"run{number}")) for number in (1, 2, 10)]


@pytest.mark.parametrize(
    "command",
    [("show",), ("runs",), ("resume",), ("report",), ("animate", "-o", "a.gif"), ("compare", "missing")],
)
def test_there_is_no_such_folder(impasto: Command, folder: Path, command: tuple[str, ...]) -> None:
    run = impasto(*command, "missing")
    assert run.code == 2
    assert "there is no such folder" in run.complaint()


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


def test_a_run_is_steered_as_it_is_gone_on_with(impasto: Command, folder: Path, thin: None) -> None:
    impasto(*QUICK, "--run", "a")
    back = impasto("resume", "a", "--back-to", "4", "--set", "style-weight=60", "--set", "tv_weight=0", "-q")
    assert (back.code, back.err) == (0, "")
    again = impasto("resume", "a", "--back-to", "5", "--set", "style_layers=relu1_1=0.5,relu3_1", "-q")
    assert again.code == 0, again.err
    assert [change.settings for change in read_recipe(Path("a")).changes] == [
        {"style_weight": 60.0},
        {"style_layers": {"relu1_1": 0.5, "relu3_1": 1.0}},
    ]
    shown = impasto("show", "a").out
    assert "  after 4 iterations: style_weight = 60.0\n  after 5 iterations: style_layers = {" in shown
    assert "  undone: 6 iterations, back to 4 (" in shown
    steering = json.loads(impasto("show", "a", "--json").out)["steering"]
    assert [each["steered"] for each in steering] == ["undo", "change", "undo", "change"]
    assert impasto("rerun", "a", "-o", "again.png", "-q").code == 0
    assert Path("again.png").read_bytes() == Path("a/result.png").read_bytes()
    assert impasto("stylize", "--recipe", "again.png", "--run", "b", "-q").code == 0
    assert Path("b/result.png").read_bytes() == Path("a/result.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((*QUICK, "--run", "done"), "expected a folder without a run"),
        (("resume", "done", "--back-to", "7"), "expected 0 to 6 iterations to rewind to, got 7"),
        (("resume", "done", "--back-to", "1.5"), "expected a whole number"),
        (
            ("resume", "done", "--back-to", "6", "--set", "style_weight=3"),
            "expected increasing iterations below 6",
        ),
        (("resume", "done", "--back-to", "3", "--set", "size=3"), "size: expected a setting that can be"),
        (("resume", "done", "--back-to", "3", "--set", "syle_weight=3"), "did you mean 'style_weight', "),
        (("resume", "done", "--back-to", "3", "--set", "style_weight=-3"), "style_weight: expected greater"),
        (("resume", "done", "--back-to", "3", "--set", "style_weight=x"), "style_weight: expected a valid"),
        (("resume", "done", "--set", "style_weight"), "--set: expected SETTING=VALUE, got 'style_weight'"),
        (("resume", "done", "--set", "tv_weight=1", "--set", "tv_weight=2"), "tv_weight twice"),
        (("resume", "done", "--set", "regions=a"), "docs/steering.md"),
        (("resume", "done"), "expected an unfinished run, got one that is done"),
        (("resume", "content.png"), "expected the folder of a run"),
        (("resume", "missing"), "expected the folder of a run"),
        (("resume", "done", "--save-every", "often"), "--save-every"),
        (("resume", "done", "-o", "out.psd"), "out.psd"),
        (("show", "missing"), "expected the folder of a run"),
        (("runs", "missing"), "expected a folder with runs"),
        (("compare", "done", "missing"), "missing: expected the folder of a run"),
        (("rerun", "missing.png"), "missing.png"),
        (("rerun", "done", "--recipe", "other.toml"), "--recipe: expected none beside"),
        ((*QUICK, "--run", "new", "--save-every", "-1"), "--save-every"),
        ((*QUICK, "--run", "new", "--memory", "100MB"), "needs"),
        ((*PAIR, "--run", "new", "--size", "3"), "size"),
        ((*PAIR, "-o", "out.png", "--tensorboard"), "--tensorboard: expected together with --run"),
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


def test_a_damaged_recipe_hides_no_other_run(impasto: Command, folder: Path, thin: None) -> None:
    impasto(*QUICK, "--run", "a")
    impasto(*QUICK, "--run", "b")
    Path("a/recipe.toml").write_bytes(b"size = 3\xff2")
    assert [line.split()[:2] for line in impasto("runs").out.splitlines()[1:]] == [
        ["a", "damaged"],
        ["b", "done"],
    ]
    assert [each["status"] for each in json.loads(impasto("runs", "--json").out)] == ["damaged", "done"]
    assert "a: expected the folder of a run" in impasto("show", "a").complaint()


@pytest.mark.parametrize("moment", ["before the event", "after the event", "picture", "checkpoint"])
def test_ctrl_c_while_a_step_is_written_down(
    impasto: Command, folder: Path, thin: None, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The picture that is saved, the events and the summary say the same."""
    moments = [moment]

    def interrupt(where: str, here: bool) -> None:
        if here and where in moments:
            moments.remove(where)
            raise KeyboardInterrupt

    append, write = RunFolder.append, images.write

    def appending(self: RunFolder, event: Mapping[str, Any]) -> None:
        interrupt("before the event", event["done"] == 4)
        append(self, event)
        interrupt("after the event", event["done"] == 4)

    def writing(path: Path, *rest: Any, **named: Any) -> None:
        interrupt("picture", path.name == "step-000004.png")
        write(path, *rest, **named)

    def checkpoint(self: RunFolder, checkpoint: Checkpoint) -> None:
        interrupt("checkpoint", checkpoint.done == 4)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "append", appending)
        patch.setattr(images, "write", writing)
        patch.setattr(RunFolder, "write_checkpoint", checkpoint)
        patch.setattr(recording, "CHECKPOINT_SECONDS", 0.0)
        run = impasto(*QUICK, "--run", "run", "--save-every", "4")
    assert not moments
    assert run.code == 130
    assert "interrupted after 4 iterations; run/step-000004.png is the picture so far" in run.err
    assert [event["done"] for event in read_events(Path("run"))] == [1, 2, 3, 4]
    summary = read_summary(Path("run"))
    assert summary is not None
    assert (summary.status, summary.done) == ("stopped", 4)
    assert impasto("resume", "run", "-q").code == 0
    assert [event["done"] for event in read_events(Path("run"))] == [1, 2, 3, 4, 5, 6]
    assert impasto(*QUICK, "--run", "whole").code == 0
    assert Path("run/result.png").read_bytes() == Path("whole/result.png").read_bytes()


def test_the_summary_names_a_note_once(
    impasto: Command, folder: Path, thin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = RunFolder.append

    def interrupted(self: RunFolder, event: Mapping[str, Any]) -> None:
        append(self, event)
        if event["done"] == 2:
            raise KeyboardInterrupt

    real = resume.Session.steps

    def steps(self: resume.Session, resume: Any = None, **options: Any) -> Any:
        return (replace(step, notes=(f"note {step.done}",)) for step in real(self, resume, **options))

    monkeypatch.setattr(resume.Session, "steps", steps)
    monkeypatch.setattr(RunFolder, "append", interrupted)
    assert impasto(*QUICK, "--run", "run").code == 130
    summary = read_summary(Path("run"))
    assert summary is not None
    assert summary.notes == ("note 1", "note 2")
    assert [event["notes"] for event in read_events(Path("run"))] == [["note 1"], ["note 2"]]


def test_tensorboard_is_written_when_asked_for(impasto: Command, folder: Path, thin: None) -> None:
    pytest.importorskip("tensorboard")
    assert impasto(*QUICK, "--run", "with", "--tensorboard").code == 0
    assert impasto(*QUICK, "--run", "without").code == 0
    assert len(list(Path("with/tensorboard").glob("events.out.tfevents.*"))) == 1
    assert not Path("without/tensorboard").exists()
    assert Path("with/result.png").read_bytes() == Path("without/result.png").read_bytes()
    Path("with/run.json").unlink()
    assert impasto("resume", "with", "-q", "--tensorboard").code == 0
    assert len(list(Path("with/tensorboard").glob("events.out.tfevents.*"))) == 2


def test_without_tensorboard_nothing_is_begun(
    impasto: Command, folder: Path, thin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    run = impasto(*QUICK, "--run", "new", "--tensorboard")
    assert run.code == 2
    assert "--tensorboard needs an optional package: pip install 'impasto[tensorboard]'" in run.complaint()
    assert not Path("new").exists()


def test_a_polite_stop_loses_nothing(
    impasto: Command, folder: Path, thin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = RunFolder.append

    def interrupted(self: RunFolder, event: Mapping[str, Any]) -> None:
        append(self, event)
        if event["done"] == 3:
            signal.raise_signal(signal.SIGINT)

    assert impasto(*QUICK, "-o", "whole.png").code == 0
    monkeypatch.setattr(RunFolder, "append", interrupted)
    stopped = impasto(*QUICK, "--run", "run")
    assert stopped.code == 130
    assert "stopping after this iteration" in stopped.err
    with RunFolder(Path("run")) as run:
        checkpoint, _ = run.read_checkpoint()
    assert checkpoint is not None
    assert checkpoint.done == 3
    monkeypatch.setattr(RunFolder, "append", append)
    assert impasto("resume", "run").code == 0
    with Image.open("whole.png") as whole, Image.open("run/result.png") as resumed:
        assert np.array_equal(np.asarray(whole), np.asarray(resumed))


def test_a_stop_during_the_last_iteration_is_none(
    impasto: Command, folder: Path, thin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = RunFolder.append

    def interrupted(self: RunFolder, event: Mapping[str, Any]) -> None:
        append(self, event)
        if event["done"] == event["planned"]:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(RunFolder, "append", interrupted)
    assert impasto(*QUICK, "--run", "run").code == 0
    assert status(Path("run")) == "done"
