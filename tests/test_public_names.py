"""The names `import impasto` offers, and that it loads nothing heavy."""

from __future__ import annotations

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
        "MissingExtraError",
        "OutputError",
        "Painting",
        "ParameterError",
        "Plan",
        "Recipe",
        "Result",
        "Step",
        "WeightsError",
        "__version__",
        "from_module",
        "iterate",
        "plan",
        "resolve",
        "stylize",
    ]
    assert all(getattr(impasto, name) is not None for name in impasto.__all__)
    assert dir(impasto) == sorted(impasto.__all__)


def test_importing_loads_neither_torch_nor_numpy() -> None:
    code = (
        "import impasto, sys; print([m for m in ('torch', 'numpy', 'PIL', 'pydantic') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
