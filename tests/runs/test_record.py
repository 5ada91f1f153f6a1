"""A run survives whatever stops it: the picture is the same to the last bit, and what was written stays whole."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from safetensors import safe_open

import impasto
from impasto import images
from impasto.errors import OutputError, ParameterError
from impasto.recipes.differences import differences
from impasto.runs import recording
from impasto.runs.create import stylize
from impasto.runs.folder import RunFolder
from impasto.runs.layout import CHECKPOINTS
from impasto.runs.readers import (
    damaged_events,
    find,
    is_held,
    overview,
    read_events,
    read_recipe,
    read_summary,
    status,
)
from impasto.runs.recording import is_save_step
from impasto.runs.resume import go_on
from impasto.swatches import paint
from impasto.transfer import planner as plan
from tests.runs.killing import thin
from tests.thin import load_with, quick

ROOT = Path(__file__).parents[2]


def _run(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.runs.killing", str(folder), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr + done.stdout
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.fixture
def quick_folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where that can be had: what is killed has its files either way, and fsync does not wait there."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield Path(folder)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize(
    ("seed", "kills"),
    [
        (3, 7),
        pytest.param(1, 26, marks=pytest.mark.exhaustive),
        pytest.param(2, 26, marks=pytest.mark.exhaustive),
    ],
)
def test_killed_at_random_moments(quick_folder: Path, seed: int, kills: int) -> None:
    """Begun, killed, resumed, killed, resumed, …"""
    found = _run(quick_folder, "times", str(kills), str(seed))
    assert sum(each["kills"] for each in found) >= kills
    assert len({each["way"] for each in found}) == 7
    # Not all of them at the beginning.
    assert len({at for each in found for at in each["resumed_at"]}) > kills / 5
    for each in found:
        assert each["same"], each
        assert each["events"], each
        assert set(each["files"]) - set(CHECKPOINTS) == {
            "events.jsonl",
            "recipe.toml",
            "result.png",
            "run.json",
        }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("kind", ["kill", "full", "broken"])
def test_at_every_write_of_a_run(quick_folder: Path, kind: str, every: int) -> None:
    """Recipe, events, summary, checkpoints, pictures, result: at each call that changes a file, or at some."""
    found = _run(quick_folder, "writes", kind, str(every))
    assert len(found) > 80 / every
    if every == 1:
        assert {each["call"] for each in found} == {"open", "append", "write", "fsync", "replace", "unlink"}
    reason = {"full": "o space left on", "broken": "Input/output error"}.get(kind, "")
    for each in found:
        assert each["same"], each
        assert each["events"], each
        assert each["earlier"], each
        if kind == "kill":
            assert each["status"] == -9
        elif each["status"] == 0:  # a checkpoint of no use any more is still there: nobody's loss
            assert each["call"] == "unlink"
        else:
            assert each["status"] == 1
            assert each["said"].count("\n") == 1
            assert each["said"].startswith("impasto: ")
            assert reason in each["said"], each
            assert not each["parts"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_where_nothing_may_be_written(quick_folder: Path) -> None:
    quick_folder.chmod(0o755)
    found = _run(quick_folder, "locked")
    for what in ("begin", "make", "resume"):
        assert found[what]["status"] == 1
        assert re.fullmatch(r"impasto: \S+: cannot write: Permission denied\n", found[what]["said"]), found
    assert found["untouched"]
    assert found["second"]["status"] == 1
    assert found["second"]["said"] == "impasto: run: another process is painting in this folder\n"
    assert found["afterwards"] == 0


# --- in this process -------------------------------------------------------------------------------------------

OPTIONS: dict[str, Any] = {"size": 40, "steps": 8, "smallest": 20, "device": "cpu", "precision": "fp32"}


class PowerCutError(Exception):
    """What stops a run here."""


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    load_with(monkeypatch, thin)
    monkeypatch.setattr(plan, "forecast", quick)
    monkeypatch.setattr(recording, "CHECKPOINT_SECONDS", 0.0)
    content, style = tmp_path / "content.png", tmp_path / "style.png"
    PIL.Image.fromarray(paint("points", size=64)[:48]).save(content)
    PIL.Image.fromarray(paint("glass", size=56)).save(style)
    return content, style


def _cut_at(number: int) -> Any:
    def stop(step: impasto.Step) -> None:
        if step.done == number:
            raise PowerCutError

    return stop


def _begin(run: Path, pictures: tuple[Path, Path], until: int) -> None:
    with pytest.raises(PowerCutError):
        stylize(run, *pictures, on_step=_cut_at(until), **OPTIONS)


def test_a_run_paints_what_no_run_paints(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    plain = impasto.stylize(*pictures, **OPTIONS)
    result = stylize(run, *pictures, save_every=3, **OPTIONS)
    assert torch.equal(result.image, plain.image)
    assert {path.name for path in run.iterdir()} - {".lock"} == {
        "recipe.toml",
        "events.jsonl",
        "run.json",
        "result.png",
        "step-000003.png",
        "step-000006.png",
    }
    assert np.array_equal(np.asarray(PIL.Image.open(run / "result.png")), plain.to_array())
    assert images.read_metadata(run / "result.png") == read_recipe(run).to_metadata()
    events = list(read_events(run))
    assert [event["done"] for event in events] == list(range(1, 9))
    assert all(event["loss"] == pytest.approx(sum(event["losses"].values()), rel=1e-5) for event in events)
    assert [event["seconds"] for event in events] == sorted(event["seconds"] for event in events)
    summary = read_summary(run)
    assert summary is not None
    assert (summary.status, summary.done, summary.size) == ("done", 8, (40, 30))
    assert summary.loss == result.loss
    assert status(run) == "done"
    recipe = read_recipe(run)
    assert recipe.content is not None
    assert Path(recipe.content.path).is_absolute()
    assert (recipe.device, recipe.precision) == ("cpu", "fp32")


@pytest.mark.parametrize("damage", ["a bit", "cut short", "empty", "no checkpoint at all", "both"])
def test_a_damaged_checkpoint(pictures: tuple[Path, Path], tmp_path: Path, damage: str) -> None:
    run = tmp_path / "run"
    plain = impasto.stylize(*pictures, **OPTIONS)
    _begin(run, pictures, 6)
    newest, before = (run / name for name in CHECKPOINTS)
    with RunFolder(run) as folder:
        found, notes = folder.read_checkpoint()
        assert found is not None
        assert not notes
        done = found.done
    for path in [newest, before] if damage == "both" else [newest]:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        match damage:
            case "a bit" | "both":
                path.write_bytes(data)
            case "cut short":
                path.write_bytes(data[: len(data) // 2])
            case "empty":
                path.write_bytes(b"")
            case _:
                newest.unlink()
                before.unlink()
    with RunFolder(run) as folder:
        found, notes = folder.read_checkpoint()
    assert len(notes) == {"no checkpoint at all": 0, "both": 2}.get(damage, 1)
    assert all("damaged" in note for note in notes)
    if damage in ("both", "no checkpoint at all"):
        assert found is None
    else:
        assert found is not None
        assert found.done < done
    assert torch.equal(go_on(run).image, plain.image)
    assert [event["done"] for event in read_events(run)] == list(range(1, 9))


def test_a_checkpoint_is_plain_safetensors(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    _begin(tmp_path / "run", pictures, 5)
    with safe_open(tmp_path / "run" / CHECKPOINTS[0], framework="np") as file:
        assert file.metadata()["version"] == "2"
        assert file.get_tensor("x").shape[:2] == (1, 3)


def test_a_resumed_run_goes_on_keeping_pictures(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(PowerCutError):
        stylize(run, *pictures, save_every=2, on_step=_cut_at(3), **OPTIONS)
    go_on(run)
    kept = sorted(path.name for path in run.glob("step-*.png"))
    assert kept == [f"step-{done:06d}.png" for done in range(2, OPTIONS["steps"] + 1, 2)]


def test_two_processes_on_one_folder(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    _begin(run, pictures, 4)
    assert status(run) == "failed"
    with RunFolder(run):
        assert is_held(run)
        with pytest.raises(OutputError, match=r"run: another process is painting in this folder"):
            go_on(run)
    assert not is_held(run)
    go_on(run)


def test_whether_it_is_painted_is_seen_without_writing(
    pictures: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    _begin(run, pictures, 3)
    summary = read_summary(run)
    assert summary is not None
    with RunFolder(run) as folder:
        folder.write_summary(summary.model_copy(update={"status": "running"}))
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
    real = os.open

    def read_only(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if flags & writes:
            raise OSError(errno.EROFS, "Read-only file system")
        return real(path, flags, *rest, **named)

    with monkeypatch.context() as patch:  # as root, no permission stands in the way of a test
        patch.setattr(os, "open", read_only)
        assert (is_held(run), status(run)) == (False, "interrupted")
    with RunFolder(run), monkeypatch.context() as patch:
        patch.setattr(os, "open", read_only)
        assert (is_held(run), status(run)) == (True, "running")
    (run / ".lock").unlink()
    assert not is_held(run)


def test_damaged_lines_of_the_events_are_left_out(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    _begin(run, pictures, 5)
    lines = (run / "events.jsonl").read_text().splitlines()
    assert damaged_events(run) == 0
    damaged = ['{"done": 1', "[" * 100_000, '{"done": ' + "9" * 5000 + "}", '{"done": "3"}', "[1]", "\0"]
    (run / "events.jsonl").write_text("\n".join([*lines[:2], *damaged, *lines[2:], '{"done": 6, "lo']))
    assert [event["done"] for event in read_events(run)] == [1, 2, 3, 4, 5]
    assert damaged_events(run) == len(damaged)  # the last line is one that is being written
    go_on(run)
    assert [event["done"] for event in read_events(run)] == list(range(1, 9))
    assert damaged_events(run) == 0


def test_a_torn_last_line_is_mended(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    _begin(run, pictures, 5)
    with (run / "events.jsonl").open("a") as file:
        file.write('{"done": 6, "lo')
    assert [event["done"] for event in read_events(run)] == [1, 2, 3, 4, 5]
    with RunFolder(run):
        assert (run / "events.jsonl").read_text().endswith("}\n")
    go_on(run)
    assert [event["done"] for event in read_events(run)] == list(range(1, 9))


def test_events_that_cannot_be_written(
    pictures: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    _begin(run, pictures, 3)
    real = Path.open

    def full(self: Path, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if mode == "a":
            raise OSError(28, "No space left on device")
        return real(self, mode, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(OutputError, match=r"events\.jsonl: cannot write: No space left on device"):
            go_on(run)
    assert torch.equal(go_on(run).image, impasto.stylize(*pictures, **OPTIONS).image)


def test_what_cannot_be_gone_on_with(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(ParameterError, match=r"expected the folder of a run, got no recipe\.toml"):
        go_on(tmp_path)
    _begin(run, pictures, 4)
    with pytest.raises(ParameterError, match="got one with a run; to resume it: impasto resume"):
        stylize(run, *pictures, **OPTIONS)
    old = pictures[1].read_bytes()
    PIL.Image.fromarray(paint("glass", size=57)).save(pictures[1])
    with pytest.raises(
        ParameterError,
        match=r"expected the style picture that the run started with, got a changed .*style\.png",
    ):
        go_on(run)
    assert not is_held(run)
    pictures[1].write_bytes(old)
    go_on(run)
    with pytest.raises(
        ParameterError,
        match="expected an unfinished run, got one that is done; to paint it again: impasto rerun",
    ):
        go_on(run)
    with pytest.raises(ParameterError, match="encoder: expected a name"):
        stylize(tmp_path / "own", *pictures, encoder=lambda *_: {}, **OPTIONS)


def test_pictures_in_memory_are_kept(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    content = PIL.Image.open(pictures[0])
    style = images.read(pictures[1]).pixels
    with pytest.raises(PowerCutError):
        stylize(run, content, [style], init=style, on_step=_cut_at(3), **OPTIONS)
    resumed = go_on(run)
    plain = impasto.stylize(content, style, init=style, **OPTIONS)
    assert torch.equal(resumed.image, plain.image)


def test_a_folder_that_cannot_be_made(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file: cannot write"):
        stylize(tmp_path / "file", *pictures, **OPTIONS)


def test_lists_and_differences(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    stylize(runs / "a", *pictures, **OPTIONS)
    stylize(runs / "deep" / "b", pictures[0], pictures[0], **{**OPTIONS, "style_weight": 3.0})
    assert find(runs) == [runs / "a", runs / "deep" / "b"]
    about = overview(runs / "a")
    assert (about["status"], about["done"], about["pictures"]) == ("done", 8, "content x style")
    recipes = [read_recipe(path) for path in find(runs)]
    assert differences(*recipes) == {
        "style_weight": (20.0, 3.0),
        "styles": (str(pictures[1]), str(pictures[0])),
    }
    assert differences(recipes[0], recipes[0]) == {}
    with pytest.raises(ParameterError, match="expected a folder with runs"):
        find(tmp_path / "missing")


def test_which_pictures_are_kept() -> None:
    assert [done for done in range(1, 50) if is_save_step(done, "log")] == [
        1,
        2,
        3,
        4,
        6,
        8,
        11,
        16,
        23,
        32,
        45,
    ]
    assert [done for done in range(1, 10) if is_save_step(done, 4)] == [4, 8]
    assert not any(is_save_step(done, 0) for done in range(1, 10))
