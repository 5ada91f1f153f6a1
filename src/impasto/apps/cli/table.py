"""Tables on standard output."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def table(
    head: Sequence[object], rows: Sequence[Sequence[object]], *, numbers_from: int | None = None
) -> None:
    """Print columns as wide as what is in them.

    Args:
        head: what stands above the columns.
        rows: as long as ``head``.
        numbers_from: the first column that is set to the right.
    """
    widths = [max(len(str(row[at])) for row in (head, *rows)) for at in range(len(head))]
    for row in (head, *rows):
        cells = [
            str(cell).ljust(width) if numbers_from is None or at < numbers_from else str(cell).rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
