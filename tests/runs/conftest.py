"""Networks that are not read again, and runs that were never painted: folders written by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from impasto.assembly import networks
from impasto.encoders.weights import Convolutions
from impasto.recipes.fields import Input
from impasto.recipes.recipe import Recipe
from impasto.runs.folder import RunFolder
from impasto.runs.layout import RESULT, Summary
from impasto.swatches import paint

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
def loaded_once(convolutions: Convolutions, monkeypatch: pytest.MonkeyPatch) -> None:
    """The packaged network is not read again for each picture."""
    monkeypatch.setattr(networks, "load", lambda *given, **named: convolutions)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A content of 64 x 48 and a style of 56 x 56, painted."""
    folder = tmp_path_factory.mktemp("pictures")
    content, style = folder / "content.png", folder / "style.png"
    PIL.Image.fromarray(paint("points", size=64)[:48]).save(content)
    PIL.Image.fromarray(paint("glass", size=56)).save(style)
    return content, style
