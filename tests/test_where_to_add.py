"""docs/architecture.md says where to add one of each kind: a toy one, added by exactly those steps, paints.

The package is copied, the toys' files of ``tests/toys`` are put where the page says, and the lines that the page
names get one entry more. Nothing else is touched.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import impasto

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
TOYS = ROOT / "tests" / "toys"

FILES = {
    "style_loss.py": "losses/toy_style.py",
    "content_loss.py": "losses/toy_content.py",
    "encoder.py": "encoders/toy.py",
    "solver.py": "engine/solvers/toy.py",
    "engine.py": "transfer/toy.py",
    "command.py": "apps/cli/toy.py",
}

ENTRIES = [
    ("recipes/fields.py", "StyleLossName = Literal[", '"toy",'),
    ("recipes/fields.py", "ContentLossName = Literal[", '"toy",'),
    ("recipes/fields.py", "EncoderName = Literal[", '"toy",'),
    ("recipes/fields.py", "Optimizer = Literal[", '"toy",'),
    ("recipes/fields.py", "EngineName = Literal[", '"toy",'),
    (
        "assembly/objective.py",
        "STYLE_LOSSES: dict[StyleLossName, StyleLoss | FeatureMapLoss] = {",
        '"toy": __import__("impasto.losses.toy_style", fromlist=["_"]).AmountLoss(),',
    ),
    (
        "assembly/objective.py",
        "CONTENT_LOSSES: dict[ContentLossName, SquaredError | FeatureMapLoss] = {",
        '"toy": __import__("impasto.losses.toy_content", fromlist=["_"]).Brightness(),',
    ),
    (
        "assembly/networks.py",
        "ENCODERS: dict[str, Network] = {",
        '"toy": Network(lambda: ("relu1",), lambda layers: 1, lambda recipe, progress: '
        '__import__("impasto.encoders.toy", fromlist=["_"]).Toy()),',
    ),
    (
        "assembly/schedule.py",
        "SOLVERS: dict[Optimizer, Callable[[Recipe], Solver]] = {",
        '"toy": lambda recipe: __import__("impasto.engine.solvers.toy", fromlist=["_"]).Descent(),',
    ),
    (
        "recipes/presets.py",
        "PRESETS: dict[str, Preset] = {",
        '"toy": Preset(summary="A toy.", objective={"style_weight": 3.0}),',
    ),
    (
        "transfer/engines.py",
        "ENGINES: dict[EngineName, EngineEntry] = {",
        '"toy": EngineEntry(__import__("impasto.transfer.toy", fromlist=["_"]).Toning),',
    ),
    (
        "apps/cli/__main__.py",
        "COMMANDS = {",
        '"Toys": (Command("toy:toy", "[NUMBER]", "Print a number."),),',
    ),
]
"""File, the line that opens its list, the entry."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What tests/toys/paint.py says of a package that has the toys."""
    folder = tmp_path_factory.mktemp("copy")
    package = folder / "impasto"
    shutil.copytree(
        Path(impasto.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__", "training")
    )
    for toy, place in FILES.items():
        assert not (package / place).exists()
        shutil.copy(TOYS / toy, package / place)
    for name, opening, entry in ENTRIES:
        path = package / name
        text = path.read_text(encoding="utf-8")
        assert text.count(opening) == 1, f"{name}: {opening}"
        path.write_text(text.replace(opening, f"{opening}{entry}"), encoding="utf-8")
    paths = os.pathsep.join((str(folder), str(ROOT)))
    done = subprocess.run(
        [sys.executable, "-m", "tests.toys.paint"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stderr.strip().splitlines()[-1])
    assert found["package"] == str(package)
    assert done.stdout == "7\n"
    return found


@pytest.mark.parametrize("kind", ["style loss", "content loss", "encoder", "solver", "engine"])
def test_a_toy_paints(found: dict[str, Any], kind: str) -> None:
    assert found[kind]["setting"] == "toy"
    assert found[kind]["steps"] == (1 if kind == "engine" else 6)
    first, last = found[kind]["losses"]
    assert last < first or kind == "engine"
    assert (found[kind]["planned"] is None) == (kind == "encoder")  # what the toy takes nobody knows


def test_a_preset(found: dict[str, Any]) -> None:
    assert found["preset"]["style weight"] == 3.0


def test_a_command(found: dict[str, Any]) -> None:
    assert found["command"] == 0


@pytest.mark.parametrize("path", sorted({*FILES.values(), *(name for name, _, _ in ENTRIES)}))
def test_the_page_names_what_is_touched(path: str) -> None:
    """The files that get an entry by their names, those of the toys by their rooms."""
    rooms = PAGE[PAGE.index("## Where to add") :]
    assert f"`{path}" in rooms or f"`{path.rpartition('/')[0]}/`" in rooms


def test_the_page_names_the_lists() -> None:
    for name, opening, _ in ENTRIES:
        listed = re.split(r"[ :]", opening)[0]
        assert f"`{name}: {listed}`" in PAGE
