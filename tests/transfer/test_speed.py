"""What a picture takes is found from a few evaluations, at sizes between and beyond those that are measured."""

from __future__ import annotations

import pytest

from impasto.transfer import speed
from impasto.transfer.speed import evaluation_seconds, picture_seconds, table

BY_PIXELS = {96: 0.01, 192: 0.04, 384: 0.16}


def test_evaluations_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "MEASURED", (32, 48))
    found = evaluation_seconds("cpu", "fp32")
    assert list(found) == [32, 48]
    assert all(seconds > 0 for seconds in found.values())


@pytest.mark.parametrize("side", [60, 96, 150, 384, 1000, 4096])
def test_evaluations_that_grow_as_pixels_do_so_everywhere(side: int) -> None:
    assert speed._at(side, BY_PIXELS) == pytest.approx(0.01 * (side / 96) ** 2)


def test_a_draft_takes_less_and_a_larger_picture_more() -> None:
    found = table((512, 1024), BY_PIXELS)
    assert found["draft"][0] < found["standard"][0] < found["standard"][1]
    assert picture_seconds(512, "draft", BY_PIXELS) == found["draft"][0]
