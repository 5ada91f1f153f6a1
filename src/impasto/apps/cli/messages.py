"""Messages on standard error."""

from __future__ import annotations

import sys


def say(message: str, *, command: str | None = None) -> None:
    """Write a message in one line, and a command to type next in another, so that it can be copied."""
    sys.stderr.write(f"impasto: {message}\n" + (f"    {command}\n" if command else ""))
