"""Validation errors of settings, as one line each."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from pydantic import ValidationError

from impasto.errors import ParameterError, unknown_name
from impasto.recipes.settings import Settings
from impasto.text import one_line


def read_toml(text: str, *, name: str) -> dict[str, Any]:
    """Parse a TOML document.

    Raises:
        ParameterError: invalid TOML; the message names ``name``.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ParameterError(f"{name}: expected a recipe in TOML, got: {error}") from error


def first_error(error: ValidationError, name: str, *, with_location: bool = True) -> str:
    """The first validation error of ``name`` in one line, with the path of the invalid field inside it."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) if with_location else ""
    where = f"{name}: {where}" if name and where else where or name
    message = first["msg"].removeprefix("Value error, ").partition(", unable to parse")[0]
    if first["type"] == "value_error":
        return f"{name}: {message}" if name else message
    if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
        what = f"{name}: setting" if name else "setting"
        return str(unknown_name(what, str(first["loc"][0]), Settings.model_fields))
    if first["type"] == "extra_forbidden":
        return f"{where}: expected a known setting, got an unknown name"
    if first["type"] == "missing" and isinstance(first["input"], list | tuple):
        given = ", ".join(map(str, first["input"]))
        return f"{where.rpartition('.')[0]}: expected more values than {len(first['input'])}, got {given}"
    expected = message.removeprefix("Input should be ").replace("Input should have", "a value with")
    return f"{where}: expected {expected}, got {_shown(first['input'])}"


def _shown(given: object) -> str:
    """A value in a message: short ones as they are, long ones by their beginning or their type."""
    if isinstance(given, str | int | float | bool | None):
        return one_line(repr(given), limit=200)
    if isinstance(given, list | tuple | dict) and len(given) <= 10 and len(shown := repr(given)) <= 200:
        return shown
    return f"a {type(given).__name__}"


def first_field(error: ValidationError) -> str | None:
    """The setting of the first validation error; None where the error names no setting."""
    first = error.errors()[0]
    if first["loc"]:
        return str(first["loc"][0])
    # The message of a failed combination starts with a setting, before a colon or a comma.
    named = re.match(r"(?:Value error, )?([a-z_]+)[:,]", first["msg"])
    return named[1] if named and named[1] in Settings.model_fields else None
