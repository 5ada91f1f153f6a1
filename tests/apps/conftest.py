"""Two small pictures in a folder of the test's own, and a network that is VGG19 in all but size."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from impasto.apps.cli.__main__ import main
from impasto.encoders.weights import ARCHITECTURES, Architecture, Convolutions
from impasto.runs import assemble


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with content.png (40 x 30) and style.png (36 x 32)."""
    monkeypatch.chdir(tmp_path)
    for name, (width, height) in {"content": (40, 30), "style": (36, 32)}.items():
        y, x = np.mgrid[0:height, 0:width]
        planes = [128 + 100 * np.sin(x / 3 + len(name)), 6 * y, 255 * ((x + y) % 8 < 4)]
        Image.fromarray(np.stack(planes, axis=-1).clip(0, 255).astype(np.uint8)).save(f"{name}.png")
    return tmp_path


def _thin(network: str) -> Convolutions:
    """A VGG with a sixteenth of the channels and random kernels that keep activations at one scale."""
    full = ARCHITECTURES[network]
    generator = torch.Generator().manual_seed(0)
    kernels = {
        name: torch.randn(shape, generator=generator) * math.sqrt(2 / (9 * shape[1]))
        for name, shape in Architecture(full.convolutions, tuple(c // 16 for c in full.channels))
        .shapes()
        .items()
    }
    return Convolutions(
        network=network,
        kernels=kernels,
        biases={name: torch.zeros(len(kernel)) for name, kernel in kernels.items()},
        mean=(123.68, 116.779, 103.939),
        source="thin",
        licence="none",
    )


@pytest.fixture
def thin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes that name a VGG get a thin one."""
    monkeypatch.setattr(assemble, "load", lambda network, source=None, progress=None: _thin(network))


class Run:
    """What the command did."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def complaint(self) -> str:
        """The one line of an error, without its ``impasto: ``."""
        assert self.out == ""
        assert self.err.startswith("impasto: ")
        assert self.err.count("\n") == 1
        assert self.err.endswith("\n")
        assert "Traceback" not in self.err
        return self.err.removeprefix("impasto: ").rstrip("\n")


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
