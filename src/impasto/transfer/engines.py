"""The engines by the names that recipes have for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from impasto.assembly.networks import Encoder
from impasto.recipes.fields import EngineName
from impasto.recipes.recipe import Recipe
from impasto.transfer.engine import Engine, Materials
from impasto.transfer.optimizing import Optimizing


@dataclass(frozen=True)
class EngineEntry:
    """An engine that recipes can name.

    Attributes:
        build: makes it; raises ParameterError where sizes do not fit.
        check: refuses, with a ParameterError, what can be refused before a picture is read. Given the recipe and a
            network of the user's own, if there is one.
    """

    build: Callable[[Recipe, Materials], Engine]
    check: Callable[[Recipe, Encoder | None], None] = lambda recipe, encoder: None


ENGINES: dict[EngineName, EngineEntry] = {"optimize": EngineEntry(Optimizing, Optimizing.check)}
