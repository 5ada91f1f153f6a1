"""What is wrong with settings, in one line."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from pydantic import ValidationError

from impasto.errors import ParameterError
from impasto.recipes.settings import Settings


def read_toml(text: str, *, name: str) -> dict[str, Any]:
    """A TOML document as a dict; a ParameterError naming ``name`` when it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ParameterError(f"{name}: expected a recipe in TOML, got: {error}") from error


def complaint(error: ValidationError, name: str, *, whole: bool = False) -> str:
    """The first of what is wrong with ``name``, in one line, and where in it unless it is wrong as a whole."""
    first = error.errors()[0]
    where = "" if whole else ".".join(str(part) for part in first["loc"])
    where = f"{name}: {where}" if name and where else where or name
    message = first["msg"].removeprefix("Value error, ").partition(", unable to parse")[0]
    if first["type"] == "value_error":
        return f"{name}: {message}" if name else message
    if first["type"] == "extra_forbidden":
        return f"{where}: no such setting"
    if first["type"] == "missing" and isinstance(first["input"], list | tuple):
        given = ", ".join(map(str, first["input"]))
        return f"{where.rpartition('.')[0]}: expected more values than {len(first['input'])}, got {given}"
    expected = message.removeprefix("Input should be ").replace("Input should have", "a value with")
    return f"{where}: expected {expected}, got {first['input']!r}"


def field_of(error: ValidationError) -> str | None:
    """The setting that the first of what is wrong is about; None where settings do not fit together as a whole."""
    first = error.errors()[0]
    if first["loc"]:
        return str(first["loc"][0])
    # Those that fail together name the first of them before a colon or a comma.
    named = re.match(r"(?:Value error, )?([a-z_]+)[:,]", first["msg"])
    return named[1] if named and named[1] in Settings.model_fields else None
