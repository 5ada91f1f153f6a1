"""Recipes in files: .toml in any encoding, or inside a picture; their pictures are looked up beside them too."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from impasto.errors import ParameterError
from impasto.recipes.fields import STARTS
from impasto.recipes.validation import read_toml
from impasto.runs.layout import RECIPE
from impasto.text import one_line, unescaped

_PICTURES = ("content", "styles", "palette", "mask", "style_mask", "init")
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

Find = Callable[[str, str], str]
"""A path in a recipe and the picture's SHA-256 -> where the picture is."""


def read_recipe_file(file: Path) -> dict[str, Any]:
    """The settings in a .toml file or in a picture.

    A picture that is not found by its path is looked up beside the file; one inside a run's folder, also where the
    run's own recipe has it.

    Raises:
        InputError: the file cannot be read, or has no recipe.
    """
    if file.suffix.lower() == ".toml":
        text = _decoded(file)
    else:
        from impasto import images

        text = images.read_metadata(file)
    values = read_toml(text, name=file.name)
    of_run = file.parent / RECIPE
    known: dict[str, str] = {}
    if of_run.is_file() and not (file.exists() and of_run.samefile(file)):
        _located(read_toml(_decoded(of_run), name=RECIPE), partial(_remember, known))
    found: dict[str, Any] = _located(values, partial(_find, file.parent, known))
    return found


def _decoded(file: Path) -> str:
    """The text of a file in UTF-8 or UTF-16 with or without a byte order mark, or else in Windows' code page 1252."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ParameterError(
            f"--recipe: expected a readable file, got {one_line(file)}: {error.strerror or error}"
        ) from None
    encodings = [encoding for mark, encoding in _MARKS if data.startswith(mark)]
    if not encodings and data[1:2] == b"\0":
        encodings = ["utf-16-le"]
    for encoding in (*encodings, "utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ParameterError(f"--recipe: expected text, got {one_line(file)}, which is not")


def _located(value: Any, find: Find, name: str = "") -> Any:
    """A copy of a recipe's values with the path of each picture replaced."""
    if isinstance(value, dict):
        if isinstance(path := value.get("path"), str):
            return {**value, "path": find(path, str(value.get("sha256", "")))}
        return {key: _located(each, find, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_located(each, find, name) for each in value]
    if isinstance(value, str) and name in _PICTURES and value not in STARTS:
        return find(value, "")
    return value


def _remember(known: dict[str, str], path: str, sha256: str) -> str:
    known[sha256] = path
    return path


def _find(folder: Path, known: dict[str, str], path: str, sha256: str) -> str:
    """Where a picture is: at its path, beside the recipe, or where the run has it. The unchanged one comes first."""
    plain = unescaped(path)
    places = [path, plain, *(str(folder / each) for each in (plain, Path(plain).name))]
    if sha256 in known:
        places.append(known[sha256])
    there = [place for place in dict.fromkeys(places) if Path(place).is_file()]
    if len(there) > 1 and sha256:
        there.sort(key=lambda place: hashlib.sha256(Path(place).read_bytes()).hexdigest() != sha256)
    return there[0] if there else path
