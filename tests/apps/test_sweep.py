"""`impasto sweep`: what it prints, what it refuses, and what Ctrl-C leaves."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from impasto.runs.folder import RunFolder
from impasto.runs.readers import find, status
from tests.apps.conftest import Command

QUICK = ("--size", "32", "--steps", "4", "--device", "cpu", "--precision", "fp32")
PAIR = ("sweep", "content.png", "style.png", *QUICK, "-o", "out")
GRID = ("--grid", "style_weight=5,50", "--grid", "style_size=24,32")


def test_a_grid(impasto: Command, folder: Path, thin: None) -> None:
    run = impasto(*PAIR, *GRID)
    assert run.code == 0
    lines = run.out.splitlines()
    assert lines[:2] == ["out/sheet.png", "out/report.html"]
    assert lines[2].startswith("out: 4 of 4 pictures done, ")
    assert [str(path.relative_to("out")) for path in find(Path("out"))] == [
        f"content-style/style_weight={weight},style_size={size}" for weight in (5, 50) for size in (24, 32)
    ]
    said = run.err.splitlines()
    assert said[0] == "1/4 content-style/style_weight=5,style_size=24: begun"
    assert said[-1].startswith("4/4 content-style/style_weight=50,style_size=32: done loss ")
    with PIL.Image.open("out/sheet.png") as sheet:
        assert sheet.width > 4 * 32
    assert "content-style/style_weight=5" in Path("out/report.html").read_text()
    again = impasto(*PAIR, *GRID)
    assert (again.code, again.err) == (0, "")
    assert "4 of 4 pictures done, 4 of them before" in again.out


def test_tensorboard_of_each_run(
    impasto: Command, folder: Path, thin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    assert impasto(*PAIR, "--grid", "style_weight=5,50", "--tensorboard", "-q").code == 0
    assert len(list(Path("out").glob("*/*/tensorboard/events.out.tfevents.*"))) == 2
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    run = impasto(*PAIR, "--grid", "style_weight=7", "--tensorboard")
    assert run.code == 2
    assert "impasto[tensorboard]" in run.complaint()
    assert not Path("out/content-style/style_weight=7").exists()


def test_a_run_is_that_of_stylize(impasto: Command, folder: Path, thin: None) -> None:
    assert impasto(*PAIR, "--grid", "style_weight=5", "--save-every", "2", "-q").code == 0
    command = (
        "stylize",
        "content.png",
        "style.png",
        *QUICK,
        "--style-weight",
        "5",
        "--save-every",
        "2",
        "-q",
    )
    assert impasto(*command, "--run", "alone").code == 0
    for name in ("result.png", "step-000002.png"):
        found = Path("out/content-style/style_weight=5", name).read_bytes()
        assert found == Path("alone", name).read_bytes()


def test_several_contents_and_styles(impasto: Command, folder: Path, thin: None) -> None:
    for name in ("cat", "dog", "wave"):
        Path(f"{name}.png").write_bytes(Path("content.png").read_bytes())
    contents = ("--content", "cat.png", "--content", "dog.png")
    run = impasto("sweep", "content.png", "style.png", "wave.png", *contents, *QUICK, "-o", "out", "--json")
    assert (run.code, run.err) == (0, "")
    found = json.loads(run.out)
    assert [(Path(each["content"]).stem, Path(each["style"]).stem) for each in found] == [
        (content, style) for content in ("content", "cat", "dog") for style in ("style", "wave")
    ]
    for each in found:
        assert each["status"] == "done"
        assert each["settings"] == {}
        assert each["loss"] > 0 or each["content"] != each["style"]
        assert each["seconds"] > 0
        assert (Path(each["run"]) / "result.png").exists()


def test_a_dry_run_writes_nothing(impasto: Command, folder: Path, thin: None) -> None:
    dry = impasto(*PAIR, *GRID, "--dry-run")
    assert (dry.code, dry.err) == (0, "")
    lines = dry.out.splitlines()
    assert lines[0].split() == ["run", "is", "time", "memory"]
    assert [line.split()[1] for line in lines[1:5]] == ["new"] * 4
    assert lines[5].startswith("4 of 4 to paint: about ")
    assert not Path("out").exists()
    impasto(*PAIR, "--grid", "style_weight=5", "--grid", "style_size=24")
    planned = json.loads(impasto(*PAIR, *GRID, "--dry-run", "--json").out)
    assert [each["status"] for each in planned] == ["done", "new", "new", "new"]
    assert all(each["planned_seconds"] > 0 and each["planned_memory"] > 1e8 for each in planned)
    assert len(find(Path("out"))) == 1


def test_a_dry_run_does_not_fail_on_what_is_there(impasto: Command, folder: Path, thin: None) -> None:
    assert impasto(*PAIR, "--grid", "style_weight=5", "-q").code == 0
    other = (*PAIR, "--grid", "style_weight=5", "--seed", "7")
    assert impasto(*other).code == 2
    dry = impasto(*other, "--dry-run")
    assert dry.code == 0
    assert " other " in dry.out
    assert "expected a run of the same settings and pictures, got seed 0 there, 7 here" in dry.err
    for there in ("out/content-style/style_weight=5", "content.png"):
        assert impasto(*PAIR[:-1], there, "--grid", "style_weight=5", "--dry-run").code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_once_and_begun_again(
    impasto: Command, folder: Path, thin: None, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    append = RunFolder.append
    steps = 0

    def stopping(folder: RunFolder, event: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == 6:  # the second picture's second iteration
            signal.raise_signal(number)
        append(folder, event)

    monkeypatch.setattr(RunFolder, "append", stopping)
    before = signal.getsignal(number)
    stopped = impasto(*PAIR, *GRID)
    assert stopped.code == 128 + number
    assert signal.getsignal(number) == before
    assert stopped.err.splitlines()[-1] == (
        "impasto: interrupted, 1 of 4 pictures are done; the same command resumes the sweep"
    )
    assert "stopping after this iteration" in stopped.err
    assert stopped.out.splitlines()[:2] == ["out/sheet.png", "out/report.html"]
    states = {path.name: status(path) for path in find(Path("out"))}
    assert states == {
        "style_weight=5,style_size=24": "done",
        "style_weight=5,style_size=32": "stopped",
    }
    again = impasto(*PAIR, *GRID, "--json")
    assert again.code == 0
    assert [each["status"] for each in json.loads(again.out)] == ["done"] * 4
    assert steps == 4 * 4  # none twice
    impasto(*PAIR[:-1], "whole", *GRID, "-q")
    for path in find(Path("whole")):
        other = Path("out") / path.relative_to("whole")
        assert (other / "result.png").read_bytes() == (path / "result.png").read_bytes()


def test_notes_are_said_once(impasto: Command, folder: Path, thin: None) -> None:
    with PIL.Image.open("content.png") as content:
        content.convert("RGBA").rotate(20).save("content.png")
    run = impasto(*PAIR, *GRID)
    notes = [line for line in run.err.splitlines() if line.startswith("note: ")]
    assert len(notes) == 1
    assert notes[0].startswith("note: content.png: ")
    assert "note" not in impasto(*PAIR, *GRID, "-q").err


def test_what_failed(impasto: Command, folder: Path, thin: None, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("out/content-style").mkdir(parents=True)
    Path("out/content-style/style_weight=5").write_text("in the way")
    run = impasto(*PAIR, "--grid", "style_weight=5,6", "-q")
    assert run.code == 1
    lines = run.err.splitlines()
    assert lines[0].startswith("failed: content-style/style_weight=5: ")
    assert lines[1:3] == ["impasto: 1 of 2 runs failed; to list them:", "    impasto runs out"]
    assert "1 of 2 pictures done" in run.out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--grid", "stile_weight=1"), "did you mean 'style_weight'"),
        (("--grid", "style_weight=much"), "style_weight: expected a valid number, got 'much'"),
        (("--grid", "seed=1", "--grid", "seed=2"), "seed twice"),
        (("--grid", "seed"), "expected SETTING=VALUE"),
        (("--grid", "encoder=vgg19,alexnet"), "encoder: expected"),
        (("--grid", "preset=impasto,gatis"), "did you mean 'gatys'"),
        (("--grid", "style_layers=relu9_9"), "relu9_9"),
        (("--grid", "strength=0.5", "--style-weight", "3"), "strength: expected without weights"),
        (("--style-weights", "1,2"), "--style-weights: expected none"),
        (("--jobs", "0"), "--jobs: expected 1 or more, got 0"),
        (("--jobs", "two"), "expected a whole number"),
        (("--save-every", "often"), "--save-every"),
        (("--memory", "100MB"), "needs"),
        (("--size", "3"), "size"),
        (("--content", "content.png"), "content: expected each picture once"),
        (("--content", "missing.png"), "missing.png"),
    ],
)
def test_what_is_refused(
    impasto: Command, folder: Path, thin: None, arguments: tuple[str, ...], named: str
) -> None:
    run = impasto(*PAIR, *arguments)
    assert run.code == 2
    assert named in run.complaint()
    assert not Path("out").exists()


def test_a_file_where_the_folder_should_be(impasto: Command, folder: Path, thin: None) -> None:
    run = impasto(*PAIR[:-1], "style.png")
    assert run.code == 1
    assert "style.png: expected a folder" in run.complaint()


def test_pictures_are_needed(impasto: Command, folder: Path) -> None:
    assert "CONTENT: expected" in impasto("sweep").complaint()
    assert "STYLE: expected" in impasto("sweep", "content.png").complaint()


def test_a_recipe_with_its_pictures(impasto: Command, folder: Path, thin: None) -> None:
    impasto("stylize", "content.png", "style.png", *QUICK, "-o", "one.png", "-q")
    run = impasto("sweep", "--recipe", "one.png", "--grid", "seed=0,1", "-o", "out", "-q")
    assert run.code == 0, run.err
    with PIL.Image.open("out/content-style/seed=0/result.png") as ours, PIL.Image.open("one.png") as one:
        assert ours.tobytes() == one.tobytes()
