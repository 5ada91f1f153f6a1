"""Text that is shown to people: one line of anything, and names that a terminal can print."""

from __future__ import annotations

import os
from pathlib import Path


def display_name(path: str | os.PathLike[str]) -> str:
    """The file's base name as it can be printed and stored anywhere: one line, valid UTF-8."""
    name = Path(path).name or str(path)
    return one_line(name, limit=200)


def one_line(text: object, *, limit: int = 300) -> str:
    """``text`` without line breaks, control characters or lone surrogates, at most ``limit`` long."""
    joined = " ".join(str(text).split())
    printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in joined)
    return printable if len(printable) <= limit else printable[: limit - 1] + "…"
