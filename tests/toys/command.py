"""A command."""

from __future__ import annotations

import sys


def toy(number: int = 1) -> int:
    """Print a number."""
    sys.stdout.write(f"{number}\n")
    return 0
