"""Checks of input pictures' paths, before anything slow is imported."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from impasto.errors import ParameterError


def check_pictures(paths: Iterable[Path]) -> None:
    """Check that there is something at each of these paths; `-` is standard input.

    Raises:
        ParameterError: a URL, or several pictures in one argument.
        ImageError: there is nothing.
    """
    for path in paths:
        if str(path) != "-" and not os.path.exists(path):  # noqa: PTH110  # Path.exists raises for a name too long
            _explain(path)


def _explain(path: Path) -> None:
    """Raise the error for a path with nothing at it."""
    text = str(path)
    if re.match(r"(https?|ftp|file|s3|gs|data):", text):
        raise ParameterError(f"{text}: expected a picture file, got a URL; download the picture first")
    parts = text.split(",")
    if len(parts) > 1 and all(os.path.exists(part) for part in parts):  # noqa: PTH110
        raise ParameterError(
            f"{text}: expected one picture, got several between commas; put spaces between them:",
            command=shlex.join(parts),
        )
    from impasto.images.opening import file_bytes

    file_bytes(path)
