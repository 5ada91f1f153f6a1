"""Text for display: single lines, and names that every terminal can print."""

from __future__ import annotations

import os
import re
from pathlib import Path

NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that no XML document may have, and so no recipe in a picture."""

_ESCAPED = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4}))")


def escaped(text: str) -> str:
    """``text`` with an escape sequence such as ``\\udce9`` for each character of :data:`NOT_TEXT`."""
    return NOT_TEXT.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def unescaped(text: str) -> str:
    """The inverse of :func:`escaped`."""
    return _ESCAPED.sub(lambda found: chr(int(found[1] or found[2], 16)), text)


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
