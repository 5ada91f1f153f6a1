"""Text for display: single lines, and names that every terminal can print."""

from __future__ import annotations

import os
from pathlib import Path


def display_name(path: str | os.PathLike[str]) -> str:
    """The base name of a file for display: one line of valid UTF-8."""
    name = Path(path).name or str(path)
    return one_line(name, limit=200)


def one_line(text: object, *, limit: int = 300) -> str:
    """``text`` with escaped control characters and lone surrogates, without line breaks, cut to ``limit``."""
    joined = " ".join(str(text).split())
    printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in joined)
    return printable if len(printable) <= limit else printable[: limit - 1] + "…"


def duration(seconds: float) -> str:
    """A duration in the unit that people would take: 45 s, 12 min, 1.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
