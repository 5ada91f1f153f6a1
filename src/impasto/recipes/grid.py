"""A grid: settings with several values each, and one recipe for each combination of values.

Any field of a recipe can be an axis. The type of that field validates the values.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from impasto.errors import ParameterError, unknown_name
from impasto.recipes.fields import Quality
from impasto.recipes.parsing import parse_setting
from impasto.recipes.recipe import Recipe
from impasto.recipes.validation import first_error

Grid = Mapping[str, tuple[Any, ...]]
"""Setting -> its values: at least one, all distinct."""

Build = Callable[[Mapping[str, Any]], Recipe]
"""(settings of one combination) -> the recipe with these settings."""

# Pictures are given beside the grid. A style's share has no effect where each style is painted alone. The measurement
# of a strength writes measured_for. Changes during a run belong to that run.
_NO_AXES = ("content", "styles", "palette", "style_weights", "measured_for", "init_sha256", "changes")
AXES: dict[str, Any] = {
    **{
        name: field.rebuild_annotation()
        for name, field in Recipe.model_fields.items()
        if name not in _NO_AXES
    },
    "quality": Quality,
}
"""Setting -> its type."""

PLAIN = "plain"
"""Name of the one run of a pair where there is no grid."""


@dataclass(frozen=True)
class Variant:
    """One combination for one pair of pictures.

    Attributes:
        name: of the run's folder inside the sweep's, such as ``photo-starry/style_weight=1000,style_size=256``.
        content, style: the pictures, as absolute paths.
        settings: the values of this combination.
        recipe: with these settings.
    """

    name: str
    content: Path
    style: Path
    settings: Mapping[str, Any]
    recipe: Recipe


def parse_grid(texts: Sequence[str], *, option: str = "--grid") -> Grid:
    """Parse ``style_weight=2e2,1e3`` as a grid; semicolons separate values that are lists themselves.

    Raises:
        ParameterError: a text of another form, an unknown setting, an invalid value, or a duplicate.
    """
    grid: dict[str, Sequence[Any]] = {}
    for text in texts:
        name, equals, values = (part.strip() for part in text.partition("="))
        if not equals or not name or not values:
            raise ParameterError(f"{option}: expected SETTING=VALUE,VALUE, got {text!r}")
        if name in grid:
            raise ParameterError(f"{option}: expected each setting once, got {name} twice")
        parts = values.split(";" if name in AXES and _is_list(AXES[name]) else ",")
        grid[name] = [part.strip() for part in parts]
    return check_grid(grid, option=option)


def check_grid(grid: Mapping[str, Sequence[Any]], *, option: str = "grid") -> Grid:
    """The grid with every value converted to the type of its setting.

    Raises:
        ParameterError: an unknown setting, an invalid value, a duplicate value, or no value.
    """
    checked: dict[str, tuple[Any, ...]] = {}
    for name, values in grid.items():
        if name in _NO_AXES:
            raise ParameterError(
                f"{option}: expected a setting that can vary within a pair of pictures, got {name}"
            )
        if name not in AXES:
            raise unknown_name(f"{option}: setting", name, AXES)
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise ParameterError(f"{option}: {name}: expected a list of values, got {values!r}")
        checked[name] = tuple(_value(name, value, option) for value in values)
        for at, value in enumerate(checked[name]):
            if value in checked[name][:at]:
                raise ParameterError(
                    f"{option}: {name}: expected each value once, got {format_value(value)} twice"
                )
    return checked


def _value(name: str, value: Any, option: str) -> Any:
    """One validated value, parsed where it is text."""
    adapter: TypeAdapter[Any] = TypeAdapter(AXES[name])
    if isinstance(value, str) and _is_list(AXES[name]):
        value = parse_setting(name, value, option=f"{option}: {name}")
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        # pydantic does not convert text for a Literal of numbers.
        if isinstance(value, str) and re.fullmatch(r"\d+", value):
            try:
                return adapter.validate_python(int(value))
            except ValidationError:
                pass
        raise ParameterError(first_error(error, f"{option}: {name}", with_location=False)) from None


def _is_list(annotation: Any) -> bool:
    """Whether values of that type are tuples or dictionaries."""
    return get_origin(annotation) in (tuple, dict) or any(_is_list(part) for part in get_args(annotation))


def variants(
    build: Build, *, contents: Sequence[Path], styles: Sequence[Path], grid: Grid
) -> tuple[Variant, ...]:
    """One variant for each content, style and combination; the last setting varies fastest.

    Raises:
        ParameterError: the settings of a combination do not fit together.
    """
    combinations = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    recipes = [build(settings).absolute() for settings in combinations]
    return tuple(
        Variant(f"{pair}/{folder_name(settings)}", content, style, settings, recipe)
        for pair, content, style in _pairs(contents, styles)
        for settings, recipe in zip(combinations, recipes, strict=True)
    )


def _pairs(contents: Sequence[Path], styles: Sequence[Path]) -> list[tuple[str, Path, Path]]:
    """Each pair of content and style, as absolute paths, with a unique name."""
    used: set[str] = set()
    found = []
    for content, style in itertools.product(_distinct("content", contents), _distinct("style", styles)):
        stem = name = f"{_safe(content.stem)}-{_safe(style.stem)}"
        number = 2
        while name.casefold() in used:  # some file systems ignore case
            name, number = f"{stem}-{number}", number + 1
        used.add(name.casefold())
        found.append((name, content.resolve(), style.resolve()))
    return found


def _distinct(what: str, paths: Sequence[Path]) -> Sequence[Path]:
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise ParameterError(f"{what}: expected each picture once, got {path} twice")
        seen.add(path.resolve())
    return paths


def folder_name(settings: Mapping[str, Any]) -> str:
    """The folder name of one combination: ``style_weight=1000,style_size=256``."""
    if not settings:
        return PLAIN
    return _short(",".join(f"{name}={_safe(format_value(value))}" for name, value in settings.items()), 200)


def format_value(value: Any) -> str:
    """A value as text; distinct values give distinct texts."""
    match value:
        case dict():
            return "+".join(f"{key}={format_value(each)}" for key, each in value.items())
        case tuple():
            return "+".join(map(format_value, value))
        case float():
            return repr(value).removesuffix(".0")
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _safe(text: str) -> str:
    """``text`` as part of a file name; a digest is appended where characters were replaced or cut."""
    clean = re.sub(r"[^\w.=+-]+", "-", text).lstrip(".")
    return _short(clean, 80) if clean == text else f"{_short(clean, 60)}-{_digest(text)}"


def _short(name: str, limit: int) -> str:
    """A name of at most ``limit`` bytes; a digest replaces what was cut."""
    if len(name.encode()) <= limit:
        return name
    kept = name.encode()[: limit - 9].decode(errors="ignore")
    return f"{kept}-{_digest(name)}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
