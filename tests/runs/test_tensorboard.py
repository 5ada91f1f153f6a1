"""What TensorBoard reads of a run is what the run's own events say, each iteration once, however often it was cut."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from impasto.errors import MissingExtraError, OutputError
from impasto.runs import recording
from impasto.runs.create import stylize
from impasto.runs.readers import read_events
from impasto.runs.resume import go_on
from impasto.runs.tensorboard import FOLDER
from tests.conftest import pattern
from tests.thin import load_with, thin

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

OPTIONS: dict[str, Any] = {"size": 40, "steps": 9, "smallest": 20, "device": "cpu", "precision": "fp32"}


class PowerCutError(Exception):
    """What stops a run here."""


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    load_with(monkeypatch, thin)
    monkeypatch.setattr(recording, "CHECKPOINT_SECONDS", 0.0)
    pattern(1).save(tmp_path / "content.png")
    pattern(2).save(tmp_path / "style.png")
    return tmp_path / "content.png", tmp_path / "style.png"


def read(run: Path) -> Any:
    found = accumulator.EventAccumulator(
        str(run / FOLDER), size_guidance={"scalars": 0, "images": 0}, purge_orphaned_data=True
    )
    found.Reload()
    return found


def check(run: Path) -> None:
    """TensorBoard has every iteration once, with the numbers of the events."""
    found, events = read(run), list(read_events(run))
    steps = [event["done"] for event in events]
    wanted = {f"loss/{name.replace(' ', '_')}" for name in events[0]["losses"]}
    assert set(found.Tags()["scalars"]) == wanted | {"total_loss", "seconds", "memory"}
    for tag, value in {
        "total_loss": lambda event: event["loss"],
        "seconds": lambda event: event["seconds"],
        "memory": lambda event: event["memory"],
        "loss/content_relu4_2": lambda event: event["losses"]["content relu4_2"],
    }.items():
        assert [each.step for each in found.Scalars(tag)] == steps
        assert [each.value for each in found.Scalars(tag)] == pytest.approx(
            [value(event) for event in events]
        )


def _cut_at(number: int) -> Any:
    def stop(step: Any) -> None:
        if step.done == number:
            raise PowerCutError

    return stop


def test_the_numbers_are_those_of_the_events(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    stylize(run, *pictures, tensorboard=True, **OPTIONS)
    check(run)
    shown = read(run).Images("picture")
    assert [each.step for each in shown] == [1, 2, 3, 4, 6, 8, 9]
    last = np.asarray(PIL.Image.open(io.BytesIO(shown[-1].encoded_image_string))).astype(int)
    with PIL.Image.open(run / "result.png") as result:
        assert np.abs(last - np.asarray(result).astype(int)).max() <= 1


def test_resumed_has_each_iteration_once(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(PowerCutError):
        stylize(run, *pictures, tensorboard=True, on_step=_cut_at(4), **OPTIONS)
    # What was done after the checkpoint is done again: go on from an older one than the newest.
    (run / "checkpoint.safetensors").unlink()
    with pytest.raises(PowerCutError):
        go_on(run, tensorboard=True, on_step=_cut_at(7))
    go_on(run, tensorboard=True)
    check(run)
    assert [each.step for each in read(run).Images("picture")] == [1, 2, 3, 4, 6, 8, 9]


def test_asked_for_late_it_begins_with_what_there_is(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(PowerCutError):
        stylize(run, *pictures, on_step=_cut_at(4), **OPTIONS)
    go_on(run, tensorboard=True)
    check(run)


def test_a_large_picture_is_shown_smaller(
    pictures: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("impasto.runs.tensorboard._SIDE", 10)
    stylize(tmp_path / "run", *pictures, tensorboard=True, **OPTIONS)
    shown = read(tmp_path / "run").Images("picture")[-1]
    assert (shown.width, shown.height) == (10, 8)


def test_what_cannot_be_written_is_one_line(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / FOLDER).write_text("a file")
    with pytest.raises(OutputError, match=r"tensorboard: cannot write: "):
        stylize(tmp_path / "run", *pictures, tensorboard=True, **OPTIONS)


def test_without_the_package_nothing_is_begun(
    pictures: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"--tensorboard needs .*impasto\[tensorboard\]"):
        stylize(tmp_path / "run", *pictures, tensorboard=True, **OPTIONS)
    assert not (tmp_path / "run").exists()
