"""Settings and runs in the words a person would use: "style weight 20", "colour keep", "no strength"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto.recipes.differences import differences
from impasto.recipes.fields import Input
from impasto.recipes.recipe import Recipe
from impasto.text import one_line

FINAL_LOSS = "final loss"

LOSSES = (
    "Curves: loss of the working picture, unrounded and with its margin. "
    "Final loss: of the saved picture, 8 bits and without margin. The two numbers therefore differ."
)
"""Why the end of a curve is not the final loss."""

_NAMES = {
    "init": "start",
    "color": "colour",
    "color_match": "colour match",
    "tv_weight": "smoothing weight",
    "tv_loss": "smoothing loss",
    "styles": "style",
    "ratio": "level ratio",
}
_PICTURES = ("content", "styles")
_MAX_SETTINGS = 3  # in the title of a run

# Settings that change how a loss is made smaller, but not what the loss measures.
_SAME_LOSS = frozenset(
    (
        *("preset", "engine", "faithful", "strength", "measured_for", "seed", "device", "precision", "tile"),
        *("init", "noise", "init_noise", "smallest", "ratio", "detail", "photo_finish", "coarser"),
        *("optimizer", "steps", "first_level", "learning_rate", "betas", "averaging", "history"),
        *("history_memory", "initial_step_rms", "spectral_exponent", "bounded", "min_relative_decrease"),
    )
)


@dataclass(frozen=True)
class Title:
    """What a run is called on a page.

    Attributes:
        whole: unique on the page, such as "lion in the style of wave, style weight 20".
        short: beside the run's own content and style: "style weight 20"; "" where nothing else differs.
    """

    whole: str
    short: str


def name_of(setting: str) -> str:
    """A setting's name in words: ``style_weight`` is "style weight"."""
    return _NAMES.get(setting, setting.replace("_", " "))


def value_of(value: Any) -> str:
    """A setting's value as short text; pictures are shown by their file names."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
        case Input():
            return one_line(Path(value.path).name)
        case dict():
            return ", ".join(f"{key} {value_of(each)}" for key, each in value.items())
        case tuple() | list():
            return ", ".join(map(value_of, value))
    return one_line(value)


def phrase(setting: str, value: Any) -> str:
    """A setting and its value: "style weight 20", "seamless", "no palette"."""
    name = name_of(setting)
    if value is True:
        return name
    return f"{name} {words}" if value is not False and (words := value_of(value)) else f"no {name}"


def pictures(recipe: Recipe | None) -> str:
    """The content and the styles, such as "harbour in the style of wave"; "" without a content."""
    if recipe is None or recipe.content is None:
        return ""
    styles = " and ".join(Path(style.path).stem for style in recipe.styles)
    return one_line(f"{Path(recipe.content.path).stem} in the style of {styles}")


def differing(recipes: Sequence[Recipe | None]) -> list[str]:
    """Names of the settings that differ between recipes, in the recipe's order."""
    known = [each for each in recipes if each is not None]
    changed = {name for each in known[1:] for name in differences(known[0], each)}
    return [name for name in Recipe.model_fields if name in changed]


def unlike(recipes: Sequence[Recipe | None]) -> str | None:
    """Why the losses of runs do not compare, as a sentence; None where they measure the same."""
    names = [name_of(name) for name in differing(recipes) if name not in _SAME_LOSS]
    if not names:
        return None
    *most, last = names[:_MAX_SETTINGS] + ["more"] * (len(names) > _MAX_SETTINGS)
    listed = f"{', '.join(most)} and {last}" if most else last
    return (
        f"These runs differ in {listed}: their losses measure different things. Compare the pictures instead."
    )


def titles(recipes: Sequence[Recipe | None], places: Sequence[str]) -> list[Title]:
    """A title for each run, from the settings in which it differs from the other runs of its preset.

    Args:
        recipes: None where a recipe cannot be read.
        places: what to call a run that differs in nothing: its path. Unique.
    """
    whole = set(differing(recipes))
    by_preset: dict[str, list[Recipe | None]] = {}
    for recipe in recipes:
        by_preset.setdefault(recipe.preset if recipe else "", []).append(recipe)
    names = {preset: differing(group) for preset, group in by_preset.items()}
    made = []
    for recipe in recipes:
        several = [pictures(recipe)] if recipe and whole.intersection(_PICTURES) else []
        preset = [phrase("preset", recipe.preset)] if recipe and "preset" in whole else []
        settings = preset + (_phrases(recipe, names[recipe.preset]) if recipe else [])
        made.append((", ".join([*several, *settings]), ", ".join(settings)))
    counts = Counter(whole for whole, _ in made)
    return [
        _title(whole, short, place, unique=counts[whole] == 1)
        for (whole, short), place in zip(made, places, strict=True)
    ]


def _title(whole: str, short: str, place: str, *, unique: bool) -> Title:
    if not whole:
        return Title(place, place)
    if unique:
        return Title(whole, short)
    return Title(f"{whole} ({place})", f"{short} ({place})" if short else place)


def _phrases(recipe: Recipe, names: Sequence[str]) -> list[str]:
    values: Mapping[str, Any] = {name: getattr(recipe, name) for name in names if name not in _PICTURES}
    shown = [
        phrase(name, value)
        for name, value in values.items()
        if name != "style_weight" or recipe.strength is None  # a strength says it already
    ]
    return shown[:_MAX_SETTINGS] + ["…"] * (len(shown) > _MAX_SETTINGS)
