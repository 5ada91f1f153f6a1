"""Tables on standard output."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

import rich.console
import rich.markup
import rich.table


def table(
    head: Sequence[object], rows: Sequence[Sequence[object]], *, numbers_from: int | None = None
) -> None:
    """Print a table. It ignores the terminal's width, so that other programs can parse it.

    Args:
        head: titles of the columns.
        rows: each as long as ``head``.
        numbers_from: index of the first right-aligned column.
    """
    made = rich.table.Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), collapse_padding=False)
    for at, title in enumerate(head):
        right = numbers_from is not None and at >= numbers_from
        made.add_column(rich.markup.escape(str(title)), justify="right" if right else "left", no_wrap=True)
    for row in rows:
        made.add_row(*(rich.markup.escape(str(cell)) for cell in row))
    text = io.StringIO()
    rich.console.Console(file=text, width=1_000_000, color_system=None).print(made)
    sys.stdout.write("".join(line.rstrip() + "\n" for line in text.getvalue().splitlines()))
