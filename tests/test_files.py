"""A file that takes another's place, also where the system lets nobody replace what is being read."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from impasto.files import replacing


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A system that refuses to replace a file so many times, as Windows does while somebody reads it."""
    left, replace = [3], Path.replace

    def refusing(self: Path, target: Path) -> Path:
        if left[0]:
            left[0] -= 1
            raise PermissionError(13, "in use", str(target))
        return replace(self, target)

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(Path, "replace", refusing)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return left


def _write(target: Path, data: bytes) -> None:
    with replacing(target) as file:
        file.write(data)


def test_a_reader_is_waited_for(tmp_path: Path, windows: list[int]) -> None:
    target = tmp_path / "run.json"
    target.write_bytes(b"old")
    _write(target, b"new")
    assert target.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_but_not_for_ever(tmp_path: Path, windows: list[int]) -> None:
    windows[0] = 10**6
    target = tmp_path / "run.json"
    target.write_bytes(b"old")
    with pytest.raises(PermissionError):
        _write(target, b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_elsewhere_a_refusal_is_final(
    tmp_path: Path, windows: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(PermissionError):
        _write(tmp_path / "run.json", b"new")
    assert windows == [2]
