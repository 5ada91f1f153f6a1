"""`impasto report`: a page that compares runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.apps.cli.output import claimed
from impasto.apps.cli.parameters import Force, OutputFile, Quiet
from impasto.errors import ParameterError


def report(
    runs: Annotated[list[Path], Parameter(negative=())],
    /,
    *,
    output: OutputFile = None,
    force: Force = False,
    title: str | None = None,
    quiet: Quiet = False,
) -> int:
    """Write a page that compares runs.

    It has a table, pictures, loss curves and recipes. The page is a single file that needs no other file and no
    network. A slider compares each result with the content, or any two results with each other.

        impasto report runs
        impasto report runs/first runs/second -o both.html --title "More style"

    Parameters
    ----------
    runs
        Folders of runs, or folders that contain runs at any depth.
    output
        The page's file. The default is a new report.html in this folder.
    title
        The page's title. The default is the names of the folders.
    """
    if output is not None and output.suffix.lower() not in (".html", ".htm"):
        raise ParameterError(f"--output: expected a name that ends in .html, got {output}")

    from impasto.runs.readers import find

    for folder in runs:
        find(folder)  # before importing torch, which takes a second

    from impasto.apps.cli.progress import counter
    from impasto.reports.html import write
    from impasto.reports.run_view import expand

    found = expand(runs)
    if title is None:
        title = ", ".join(path.resolve().name for path in runs[:3]) + (", …" if len(runs) > 3 else "")
    inputs = [file for run in found for file in run.glob("*")]
    with claimed(output, stem="report", suffix=".html", inputs=inputs, force=force) as path:
        with counter("runs", quiet=quiet) as count:
            write(path, found, title=title, progress=count)
        megabytes = path.stat().st_size / 1e6
    sys.stdout.write(f"{path}: {len(found)} run{'s' * (len(found) > 1)}, {megabytes:.1f} MB\n")
    return 0
