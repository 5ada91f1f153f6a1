"""Writes what derives from the settings: the table in docs/settings.md, and the keywords of `impasto.stylize`.

    python docs/settings.py

A test compares both files with what this would write.
"""

from __future__ import annotations

import re
import textwrap
import typing
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from impasto.recipes import fields
from impasto.recipes.fields import Change, Input, RegionOf
from impasto.recipes.parsing import element_of, kind_of, spell
from impasto.recipes.settings import Group, Settings

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "settings.md"
KEYWORDS = ROOT / "src" / "impasto" / "transfer" / "keywords.py"
NAMES = [name for name in Settings.model_fields if name not in ("content", "styles")]
"""What is no keyword is a picture."""

_INTRODUCTION = (
    "Every setting of a picture, as `src/impasto/recipes/settings.py` describes it; this page is written from there "
    "by `python docs/settings.py`. On the command line a setting is an option, with hyphens: `--style-weight 30`; "
    "from Python a keyword: `impasto.stylize(…, style_weight=30)`; in a recipe's TOML a key. The defaults are those "
    "of no preset; `impasto presets NAME` prints a preset's. `impasto schema` prints all of this as a JSON schema."
)


def page() -> str:
    """docs/settings.md."""
    lines = [
        "# Settings",
        "",
        *textwrap.wrap(_INTRODUCTION, 120),
    ]
    for group in get_args(Group):
        names = [name for name in Settings.model_fields if group_of(name) == group]
        lines += ["", f"## {group}", "", "| setting | takes | default | |", "|---|---|---|---|"]
        lines += [
            f"| `{name}` | {takes(name)} | {default(name)} | {Settings.model_fields[name].description} |"
            for name in names
        ]
    return "\n".join(lines) + "\n"


def group_of(name: str) -> str:
    extra: Any = Settings.model_fields[name].json_schema_extra
    return str(extra["group"])


def takes(name: str) -> str:
    """What values there are, in words."""
    kind = kind_of(name)
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if kind is Input:
        return "a picture"
    if get_origin(kind) is dict:
        return "layers"
    if get_origin(kind) is tuple:
        words = {
            Input: "pictures",
            RegionOf: "regions",
            Change: "changes",
            int: "whole numbers",
            float: "numbers",
        }
        return words.get(element_of(kind), "names")
    return {int: "a whole number", float: "a number", bool: "yes or no", str: "text"}[kind]


def default(name: str) -> str:
    value = Settings.model_fields[name].default
    return spell(value) if isinstance(value, bool) or not spell(value) else f"`{spell(value)}`"


def keywords() -> str:
    """src/impasto/transfer/keywords.py."""
    lines = [
        '"""The keywords of :func:`impasto.stylize`, for editors and type checkers.',
        "",
        "Written by docs/settings.py from :mod:`impasto.recipes.settings`; None means not given.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "from collections.abc import Callable, Mapping, Sequence",
        "from typing import TYPE_CHECKING, Any, Literal, TypedDict",
        "",
        "if TYPE_CHECKING:",
        "    from impasto.images import Source",
        "    from impasto.recipes.fields import (",
        *(f"        {alias}," for alias in sorted(aliases())),
        "    )",
        "    from impasto.recipes.recipe import Recipe",
        "",
        "",
        "class Keywords(TypedDict, total=False):",
        '    """What can be given beside the pictures."""',
        "",
        *(
            f"    {name}: {typed(name)} | None"
            for name in Settings.model_fields
            if name not in ("content", "styles")
        ),
        "    quality: Quality | None",
        "    recipe: Recipe | None",
        "    memory: str | int | None",
        "    max_pixels: int",
        "    progress: Callable[[int, int | None], None] | bool | None",
    ]
    return "\n".join(lines) + "\n"


def aliases() -> set[str]:
    """The names out of the module of fields that :func:`typed` uses."""
    words = {word for name in NAMES for word in re.findall(r"\w+", typed(name))}
    return {"Quality", *(word for word in words if hasattr(fields, word) and word not in vars(typing))}


def typed(name: str) -> str:
    kind = kind_of(name)
    if name in ("init", "palette"):
        return "Source"
    if name == "encoder":
        return "EncoderName | Callable[..., Any]"
    if get_origin(kind) is Literal:
        known = {value: alias for alias, value in vars(fields).items() if get_origin(value) is Literal}
        values = ", ".join(f'"{value}"' if isinstance(value, str) else str(value) for value in get_args(kind))
        return known.get(kind, f"Literal[{values}]")
    if get_origin(kind) is dict:
        inner = get_args(kind)[1]
        return {"style_losses": "Mapping[str, Mapping[str, float]]"}.get(
            name, "Mapping[str, str]" if inner is str else "Mapping[str, float]"
        )
    if get_origin(kind) is tuple:
        element: Any = element_of(kind)
        models = {RegionOf: "RegionOf | Mapping[str, Any]", Change: "Change | Mapping[str, Any]"}
        return f"Sequence[{models.get(element) or element.__name__}]"
    return str(kind.__name__)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    KEYWORDS.write_text(keywords(), encoding="utf-8")
