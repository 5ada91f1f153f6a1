"""What several tests share: the shared folder, the packaged network, and a tiny one."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.encoders.weights import Convolutions, load
from impasto.kernels import fastest
from impasto.processor import processor
from impasto.recipes.fields import Input
from impasto.recipes.recipe import Recipe
from impasto.runs.folder import RunFolder
from impasto.runs.layout import RESULT, Summary
from impasto.swatches import paint
from tests.thin import load_with, thin

# Threads that wait for each other make pictures this small up to 30 times slower where others use the processor.
torch.set_num_threads(1)

_THIN = {name: thin(name) for name in ("vgg19", "vgg16")}

ALL_MAY = not hasattr(os, "geteuid") or os.geteuid() == 0
"""Whether no file can be one that this process may not read or write."""

BFLOAT16 = pytest.mark.skipif(not processor().bfloat16, reason="this processor has no bfloat16")
"""For what is computed in it. What is chosen where there is none, any machine can test (acting_as)."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="write tests/test_pictures_unchanged.json anew")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is downloaded or measured into the user's own cache, nor read from there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMPASTO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    folder = Path(__file__).resolve().parents[1].parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder ../shared is not here")
    return folder


@pytest.fixture(scope="session")
def convolutions() -> Convolutions:
    """The packaged VGG19."""
    return load("vgg19")


class TinyNetwork:
    """Two convolutions and a pooling, in float64: an encoder for laws that do not depend on the network."""

    layers = ("relu1", "relu2")

    def __init__(self, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self._first = torch.randn(4, 3, 3, 3, generator=generator).double() * 0.5
        self._second = torch.randn(5, 4, 3, 3, generator=generator).double() * 0.3

    def __call__(self, image: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        relu1 = F.relu(F.conv2d(image.double(), self._first, padding=1))
        relu2 = F.relu(F.conv2d(F.avg_pool2d(relu1, 2), self._second, padding=1))
        return {name: value for name, value in (("relu1", relu1), ("relu2", relu2)) if name in layers}


@pytest.fixture
def network() -> TinyNetwork:
    return TinyNetwork()


Make = Callable[..., Path]


def pattern(number: int) -> PIL.Image.Image:
    """A smooth picture of 64 x 48, another one for each number."""
    y, x = np.mgrid[0:48, 0:64]
    planes = [128 + 100 * np.sin(x / 9 + number), 5 * y, 128 + 100 * np.cos((x + y) / (8 + number % 7))]
    return PIL.Image.fromarray(np.stack(planes, axis=-1).clip(0, 255).astype(np.uint8))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a run's folder: ``make(name, status=…, steps=…, result=…, **settings)``.

    Its result is ``pattern(result)``, its steps ``pattern(iterations)``.
    """
    content, style = tmp_path / "photo.png", tmp_path / "painting.png"
    pattern(-1).save(content)
    pattern(-2).save(style)

    def make(
        name: str,
        *,
        status: Any = "done",
        steps: tuple[int, ...] = (),
        result: int | None = 100,
        count: int = 40,
        **settings: Any,
    ) -> Path:
        path = tmp_path / name
        values = {
            "content": Input(path=str(content), sha256="a" * 64),
            "styles": (Input(path=str(style), sha256="b" * 64),),
            "size": 64,
            "steps": 40,
            **settings,
        }
        with RunFolder(path) as folder:
            folder.write_recipe(Recipe(**values))
            for done in range(1, count + 1):
                terms = {"content relu4_2": 1.0 - math.exp(-done / 9), "style relu1_1": 30.0 / done}
                folder.append(
                    {
                        "done": done,
                        "planned": 40,
                        "level": int(done > 20),
                        "size": [64, 48] if done > 20 else [32, 24],
                        "iteration": done,
                        "loss": sum(terms.values()),
                        "losses": terms,
                        "seconds": 0.1 * done,
                        "memory": 10**9,
                        "notes": [],
                    }
                )
            folder.write_summary(
                Summary(
                    impasto="0.1.0",
                    status=status,
                    started="2026-11-01T10:00:00+00:00",
                    size=(64, 48),
                    done=count,
                    planned=40,
                    loss=1.75,
                    losses={"content relu4_2": 1.0, "style relu1_1": 0.75},
                    seconds=0.1 * count,
                    device="cpu",
                    precision="fp32",
                    threads=1,
                    peak_memory=10**9,
                )
            )
        for done in steps:
            pattern(done).save(path / f"step-{done:06d}.png")
        if result is not None:
            pattern(result).save(path / RESULT)
        return path

    return make


@pytest.fixture
def thin_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes get a VGG with a sixteenth of the channels, for laws that do not depend on the network."""
    load_with(monkeypatch, lambda name, *given, **named: _THIN[name])


@pytest.fixture
def loaded_once(convolutions: Convolutions, monkeypatch: pytest.MonkeyPatch) -> None:
    """The packaged network is not read again for each picture."""
    load_with(monkeypatch, lambda *given, **named: convolutions)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A content of 64 x 48 and a style of 56 x 56, painted."""
    folder = tmp_path_factory.mktemp("pictures")
    content, style = folder / "content.png", folder / "style.png"
    PIL.Image.fromarray(paint("points", size=64)[:48]).save(content)
    PIL.Image.fromarray(paint("glass", size=56)).save(style)
    return content, style


@pytest.fixture
def same_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Always the same: which is the fastest is measured, and its last bits and its size differ from another's."""

    def first(channels: tuple[int, ...], dtype: torch.dtype, device: torch.device, side: int) -> str:
        return next(iter(fastest.ways(torch.empty(*channels, 3, 3, dtype=dtype, device="meta"), device)))

    monkeypatch.setattr(fastest, "fastest", first)
