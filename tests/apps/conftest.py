"""Two small pictures in a folder of the test's own, and a network that is VGG19 in all but size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impasto.apps.cli.__main__ import main
from tests.thin import load_with
from tests.thin import thin as thin_weights


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with content.png (40 x 30) and style.png (36 x 32)."""
    monkeypatch.chdir(tmp_path)
    for name, (width, height) in {"content": (40, 30), "style": (36, 32)}.items():
        y, x = np.mgrid[0:height, 0:width]
        planes = [128 + 100 * np.sin(x / 3 + len(name)), 6 * y, 255 * ((x + y) % 8 < 4)]
        Image.fromarray(np.stack(planes, axis=-1).clip(0, 255).astype(np.uint8)).save(f"{name}.png")
    return tmp_path


@pytest.fixture
def thin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes that name a VGG get a thin one."""
    load_with(monkeypatch, thin_weights)


class Run:
    """What the command did."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def complaint(self) -> str:
        """The one line of an error, without its ``impasto: ``, and the command that stands on a line of its own.

        Notes about the pictures may come before it.
        """
        assert self.out == ""
        assert self.err.endswith("\n")
        assert "Traceback" not in self.err
        lines = self.err.rstrip("\n").split("\n")
        while lines[0].startswith("note: "):
            del lines[0]
        assert lines[0].startswith("impasto: ")
        line, *command = lines
        line = line.removeprefix("impasto: ")
        assert len(command) <= 1
        assert all(each.startswith("    ") for each in command)
        return " ".join((line, *(each.strip() for each in command)))


class Command:
    """``impasto``, in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Run:
        self._capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Run(code, *self._capsys.readouterr())


@pytest.fixture
def impasto(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)
