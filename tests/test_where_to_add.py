"""docs/architecture.md says where to add one of each kind: a toy one, added by exactly those steps, paints."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import impasto
from impasto.apps.cli.__main__ import app
from impasto.assembly import networks, objective, schedule
from impasto.engine.evaluation import Evaluate
from impasto.engine.solvers.solver import Update
from impasto.losses.moments import Moments
from impasto.recipes import presets
from impasto.recipes.presets import Preset

PAGE = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
OPTIONS: dict[str, Any] = {"size": 40, "smallest": 20, "steps": 6, "device": "cpu", "precision": "fp32"}

pytestmark = pytest.mark.usefixtures("loaded_once")


@dataclass(frozen=True)
class MeanAlone:
    """A style loss: the means of the channels, and nothing of how they vary."""

    def summarise(self, features: Tensor, weight: Tensor | None = None) -> Moments:
        return Moments.of(features, weight)

    def distance(self, summary: Moments, target: Moments) -> Tensor:
        off = summary.mean - target.mean
        return off.square().sum(-1) / target.mean.square().sum(-1)


class Descent:
    """A solver: steps of one length along the gradient."""

    learning_rate = 2.0

    def step(self, x: Tensor, evaluate: Evaluate) -> Update:
        at = evaluate(x)
        x.sub_(self.learning_rate * at.gradient / at.gradient.abs().mean()).clamp_(0.0, 255.0)
        return Update(x, at.loss, at.terms)

    def best(self, x: Tensor) -> Tensor:
        return x

    def restart(self) -> None: ...

    def resampled(self) -> None: ...

    def resize(self, size: tuple[int, int]) -> None: ...

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Any, x: Tensor) -> None: ...


def test_a_style_loss(pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "assembly/objective.py: STYLE_LOSSES" in PAGE
    monkeypatch.setitem(objective.STYLE_LOSSES, "gram-share", MeanAlone())
    result = impasto.stylize(*pictures, **OPTIONS)
    assert result.loss < next(impasto.iterate(*pictures, **OPTIONS)).loss


def test_a_content_loss(pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "assembly/objective.py: CONTENT_LOSSES" in PAGE
    monkeypatch.setitem(objective.CONTENT_LOSSES, "share", objective.CONTENT_LOSSES["mean"])
    given, other = (impasto.stylize(*pictures, **OPTIONS, content_loss=name) for name in ("share", "mean"))
    assert torch.equal(given.image, other.image)


def test_an_encoder(pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "assembly/networks.py: ENCODERS" in PAGE

    class Tiny:
        layers = ("relu1",)

        def to(self, **_: Any) -> Tiny:
            return self

        def __call__(self, image: Tensor, layers: Any) -> dict[str, Tensor]:
            kernel = torch.linspace(-1, 1, 4 * 27).sin().view(4, 3, 3, 3)
            return {"relu1": F.relu(F.conv2d(image.float(), kernel, padding=1))}

    tiny = networks.Network(
        layers=lambda: ("relu1",), smallest_side=lambda layers: 1, build=lambda recipe, progress: Tiny()
    )
    monkeypatch.setitem(networks.ENCODERS, "mobilenet-v2", tiny)
    layers = {"content_layers": {"relu1": 1.0}, "style_layers": {"relu1": 1.0}}
    assert impasto.stylize(*pictures, **OPTIONS, **layers, encoder="mobilenet-v2").loss > 0


def test_a_solver(pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "assembly/schedule.py: SOLVERS" in PAGE
    monkeypatch.setitem(schedule.SOLVERS, "adam", lambda recipe: Descent())
    result = impasto.stylize(*pictures, **OPTIONS, optimizer="adam")
    assert result.loss < next(impasto.iterate(*pictures, **OPTIONS)).loss


def test_a_preset(pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "recipes/presets.py: PRESETS" in PAGE
    monkeypatch.setitem(presets.PRESETS, "toy", Preset(summary="A toy.", objective={"style_weight": 3.0}))
    assert impasto.stylize(*pictures, **OPTIONS, preset="toy").recipe.style_weight == 3.0


def test_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert "apps/cli/__main__.py" in PAGE

    def toy(number: int = 1) -> int:
        """Print a number."""
        sys.stdout.write(f"{number}\n")
        return 0

    app.command(toy, name="toy")
    try:
        assert app(["toy", "7"], result_action="return_value", exit_on_error=False) == 0
    finally:
        del app["toy"]
    assert capsys.readouterr().out == "7\n"


@pytest.mark.parametrize(
    "named",
    ["losses/", "encoders/", "engine/solvers/", "recipes/settings.py", "recipes/fields.py", "apps/cli/"],
)
def test_the_page_names_what_is_there(named: str) -> None:
    assert f"`{named}" in PAGE
    assert (Path(impasto.__file__).parent / named).exists()
