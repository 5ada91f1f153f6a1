"""Neural style transfer: paints one picture in the style of another.

    import impasto
    impasto.stylize("photo.jpg", "painting.jpg", size=512).save("out.png")

Nothing heavy is loaded until a name is used: ``import impasto`` does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from impasto._version import __version__

if TYPE_CHECKING:
    from impasto.encoders import VGG, from_module
    from impasto.engine.step import Step
    from impasto.errors import (
        DivergedError,
        ImageError,
        ImpastoError,
        InputError,
        MissingExtraError,
        OutputError,
        ParameterError,
        WeightsError,
    )
    from impasto.inspection.judge import Judge
    from impasto.recipes.presets import PRESETS, resolve
    from impasto.recipes.recipe import Recipe
    from impasto.reports.film import animate
    from impasto.sweeps.sweep import sweep
    from impasto.transfer.api import iterate, plan, stylize
    from impasto.transfer.painting import Painting
    from impasto.transfer.planner import Plan
    from impasto.transfer.result import Result
    from impasto.transfer.stylizer import Stylizer
    from impasto.transfer.texture import texture

_HOMES = {
    "VGG": "impasto.encoders",
    "from_module": "impasto.encoders",
    "Step": "impasto.engine.step",
    "DivergedError": "impasto.errors",
    "ImageError": "impasto.errors",
    "ImpastoError": "impasto.errors",
    "InputError": "impasto.errors",
    "MissingExtraError": "impasto.errors",
    "OutputError": "impasto.errors",
    "ParameterError": "impasto.errors",
    "WeightsError": "impasto.errors",
    "Result": "impasto.transfer.result",
    "iterate": "impasto.transfer.api",
    "plan": "impasto.transfer.api",
    "stylize": "impasto.transfer.api",
    "PRESETS": "impasto.recipes.presets",
    "resolve": "impasto.recipes.presets",
    "Plan": "impasto.transfer.planner",
    "Recipe": "impasto.recipes.recipe",
    "Painting": "impasto.transfer.painting",
    "Stylizer": "impasto.transfer.stylizer",
    "Judge": "impasto.inspection.judge",
    "animate": "impasto.reports.film",
    "sweep": "impasto.sweeps.sweep",
    "texture": "impasto.transfer.texture",
}

__all__ = [
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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'impasto' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
