"""The names `import impasto` offers, and that it loads nothing heavy."""

from __future__ import annotations

import importlib
import subprocess
import sys

import impasto


def test_the_names_are_these() -> None:
    assert impasto.__all__ == [
        "PRESETS",
        "VGG",
        "DivergedError",
        "ImageError",
        "ImpastoError",
        "InputError",
        "Judge",
        "MissingExtraError",
        "OutputError",
        "Painting",
        "ParameterError",
        "Plan",
        "Recipe",
        "Result",
        "Step",
        "Stylizer",
        "WeightsError",
        "__version__",
        "animate",
        "from_module",
        "iterate",
        "plan",
        "resolve",
        "stylize",
        "sweep",
        "texture",
    ]
    for name, home in impasto._HOMES.items():
        assert getattr(impasto, name) is getattr(importlib.import_module(home), name)
    assert dir(impasto) == sorted(impasto.__all__)


def test_importing_loads_neither_torch_nor_numpy() -> None:
    code = (
        "import impasto, sys; print([m for m in ('torch', 'numpy', 'PIL', 'pydantic') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
