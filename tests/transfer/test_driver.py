"""One loop drives every painting; what is asked of it happens between two steps, as if the caller had done it."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest
import torch

import impasto
from impasto.errors import ParameterError
from impasto.runs import create, resume
from impasto.runs.readers import read_summary
from impasto.transfer.driver import Driver

OPTIONS: dict[str, Any] = {"size": 40, "smallest": 20, "steps": 8, "device": "cpu", "precision": "fp32"}

pytestmark = pytest.mark.usefixtures("thin_network")


def test_undisturbed_it_is_the_painting(pictures: tuple[Path, Path]) -> None:
    driver = Driver(impasto.iterate(*pictures, **OPTIONS))
    assert [step.done for step in driver] == [step.done for step in impasto.iterate(*pictures, **OPTIONS)]
    assert torch.equal(driver.newest.image, impasto.stylize(*pictures, **OPTIONS).image)


def test_commands_are_obeyed_between_two_steps(pictures: tuple[Path, Path]) -> None:
    by_hand = impasto.iterate(*pictures, **OPTIONS)
    for _ in range(3):
        next(by_hand)
    by_hand.change(style_weight=60.0)
    next(by_hand)
    by_hand.undo(2)
    *_, wanted = by_hand

    driver = Driver(impasto.iterate(*pictures, **OPTIONS))
    futures: list[Any] = []
    for step in driver:
        if step.done == 3 and not futures:
            futures.append(driver.change(style_weight=60.0))
        elif step.done == 4 and len(futures) == 1:
            futures += [driver.undo(2), driver.preview(16), driver.change(size=99)]
    assert futures[0].result() == {"style_weight": 60.0}
    assert futures[1].result() == 2
    assert futures[2].result().shape[-1] == 16  # of the step that was undone, which is still the newest
    with pytest.raises(ParameterError, match="size"):
        futures[3].result()
    assert torch.equal(driver.newest.image, wanted.image)


def test_a_preview_is_the_picture_made_small(pictures: tuple[Path, Path]) -> None:
    driver = Driver(impasto.iterate(*pictures, **OPTIONS))
    previews = [driver.preview(16), driver.preview(1000)]
    steps = iter(driver)
    step = next(steps)
    driver._obey()
    small, large = (each.result() for each in previews)
    assert small.shape == (1, 3, 12, 16)
    assert torch.equal(large, step.image)


def test_it_stops_where_it_is_and_can_be_gone_on_with(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    with create.begin(tmp_path / "run", *pictures, **OPTIONS) as recording:
        driver = Driver(recording)
        for step in driver:
            if step.done == 4:
                driver.stop()
        assert driver.stopped
        assert driver.newest.done == 4
        recording.write_checkpoint(driver.newest)
    assert torch.equal(resume.go_on(tmp_path / "run").image, impasto.stylize(*pictures, **OPTIONS).image)
    summary = read_summary(tmp_path / "run")
    assert summary is not None
    assert summary.status == "done"


def test_a_pause_waits_for_another_thread(pictures: tuple[Path, Path]) -> None:
    driver, seen = Driver(impasto.iterate(*pictures, **OPTIONS)), []
    driver.pause()

    def paint() -> None:
        seen.extend(step.done for step in driver)

    thread = threading.Thread(target=paint)
    thread.start()
    assert driver.change(style_weight=7.0).result(timeout=60) == {"style_weight": 7.0}
    assert driver.preview(16).result(timeout=60).shape[-1] == 16
    assert thread.is_alive()
    driver.go_on()
    thread.join(timeout=60)
    assert len(seen) == len(list(impasto.iterate(*pictures, **OPTIONS)))


def test_what_comes_too_late_is_cancelled(pictures: tuple[Path, Path]) -> None:
    driver = Driver(impasto.iterate(*pictures, **OPTIONS))
    early = None
    for step in driver:
        if step.done == 2:
            driver.stop()
            early = driver.preview(16)  # asked for before the end, and after the stop
    late = driver.change(style_weight=1.0)
    assert early is not None
    assert early.result().shape[-1] == 16
    with pytest.raises(CancelledError):
        late.result(timeout=1)
