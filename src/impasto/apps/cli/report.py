"""`impasto report`: runs side by side on one page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.errors import ParameterError


def report(
    runs: Annotated[list[Path], Parameter(negative=())],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")] = Path("report.html"),
    title: str | None = None,
    quiet: Annotated[bool, Parameter(alias="-q", negative=())] = False,
) -> int:
    """Show runs side by side on one page: a table, pictures, loss curves, recipes.

    The page is one file that needs nothing else, no network either. A slider lays the content over each result,
    and any two results over each other.

        impasto report runs
        impasto report runs/first runs/second -o both.html --title "More style"

    Parameters
    ----------
    runs
        Folders of runs, or folders that hold some, at any depth.
    output
        The page.
    title
        What it is called; without it after the folders.
    quiet
        No progress.
    """
    if output.suffix.lower() not in (".html", ".htm"):
        raise ParameterError(f"--output: expected a name that ends in .html, got {output}")

    from impasto.apps.cli.progress import counter
    from impasto.reports.html import write
    from impasto.reports.run_view import expand

    found = expand(runs)
    if title is None:
        title = ", ".join(path.resolve().name for path in runs[:3]) + (", …" if len(runs) > 3 else "")
    with counter("runs", quiet=quiet) as count:
        write(output, found, title=title, progress=count)
    sys.stdout.write(
        f"{output}: {len(found)} run{'s' * (len(found) > 1)}, {output.stat().st_size / 1e6:.1f} MB\n"
    )
    return 0
