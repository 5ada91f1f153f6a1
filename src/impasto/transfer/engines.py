"""The engines by their names in recipes."""

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
        build: returns the engine; raises ParameterError for unusable sizes.
        check: raises ParameterError for errors that can be found before a picture is read. Its arguments are the
            recipe and the user's network object, or None.
    """

    build: Callable[[Recipe, Materials], Engine]
    check: Callable[[Recipe, Encoder | None], None] = lambda recipe, encoder: None


ENGINES: dict[EngineName, EngineEntry] = {"optimize": EngineEntry(Optimizing, Optimizing.check)}
