"""The settings in which two recipes differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from impasto.recipes.fields import Input
from impasto.recipes.recipe import Recipe


def differences(first: Recipe, second: Recipe) -> dict[str, tuple[Any, Any]]:
    """Setting -> its two values, for each setting that differs. Pictures are compared by their hashes."""
    one, other = (recipe.model_dump(mode="json") for recipe in (first, second))
    found: dict[str, Any] = {name: (one[name], other[name]) for name in one if one[name] != other[name]}
    found.pop("measured_for", None)  # follows from strength and pictures
    found.pop("init_sha256", None)  # a run's recipe has it, that of a command not yet
    for name in ("content", "styles", "palette"):
        inputs = [_listed(getattr(recipe, name)) for recipe in (first, second)]
        hashes = [[each.sha256 for each in side] for side in inputs]
        if hashes[0] == hashes[1] or not all(hashes):
            found.pop(name, None)
        else:
            found[name] = tuple(", ".join(each.path for each in side) for side in inputs)
    return found


def changed_pictures(before: Recipe, now: Recipe) -> list[str]:
    """A line for each picture of ``before`` whose file has another hash in ``now``."""
    hashes = dict(_numbered(now))
    return [
        f"{what} {each.path} has changed since the recipe was written"
        for (what, number), each in _numbered(before)
        if each.sha256 and (found := hashes.get((what, number))) and found.sha256 != each.sha256
    ]


def _numbered(recipe: Recipe) -> Iterator[tuple[tuple[str, int], Input]]:
    """The inputs, by role and number within the role."""
    counts: Counter[str] = Counter()
    for what, each in recipe.inputs:
        counts[what] += 1
        yield (what, counts[what]), each


def _listed(value: Input | Sequence[Input] | None) -> list[Input]:
    return [] if value is None else [value] if isinstance(value, Input) else list(value)
