"""Many pictures of a grid, each a run in a folder of its own: checked together, painted one after another.

What runs share is read and computed once (`impasto.transfer.resources`), and still each is, to the last bit, what
`impasto stylize` paints alone. Begun again, a sweep skips what is done and goes on with what was interrupted.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL.Image
import torch

from impasto.assembly.device import choose_device
from impasto.assembly.networks import Progress
from impasto.errors import OutputError, ParameterError
from impasto.figures.contact_sheet import contact_sheet, fitted
from impasto.files import replacing
from impasto.jobs.job import Event, Job, Limits, check_job, is_done, run_job
from impasto.jobs.workers import run_jobs
from impasto.recipes.fields import Input
from impasto.recipes.grid import Variant, check_grid, shown, variants
from impasto.recipes.parsing import parse_memory
from impasto.recipes.presets import change, resolve
from impasto.recipes.recipe import Recipe
from impasto.reports import html as report
from impasto.reports.run_view import picture_or_note
from impasto.runs.layout import RECIPE, RESULT
from impasto.runs.readers import is_held, read_summary, status
from impasto.runs.recording import SaveEvery
from impasto.runs.tensorboard import require
from impasto.transfer.peak_memory import available_memory
from impasto.transfer.resources import SessionCache, network

SHEET, REPORT = "sheet.png", "report.html"

_CELL, _SHEET = 256, 40_000_000  # the long side of a picture; pixels of all together


class Sweep:
    """All runs of a grid, checked: nothing has been written, and nothing given can be wrong any more.

    Args:
        folder: holds a folder for each run.
        grid: what :func:`impasto.recipes.grid.variants` gave.
        jobs: how many are painted at once, each in a process of its own with its share of the threads and memory.
        limits: for all of them.

    Attributes:
        queue: in the grid's order.

    Raises:
        InputError: a variant cannot be painted, or its folder holds a run of other settings or pictures.
        OutputError: there is no making of such a folder.
    """

    def __init__(
        self,
        folder: Path,
        grid: Sequence[Variant],
        *,
        jobs: int = 1,
        limits: Limits | None = None,
        shared: SessionCache | None = None,
    ) -> None:
        if jobs < 1:
            raise ParameterError(f"jobs: expected 1 or more, got {jobs}")
        if not grid:
            raise ParameterError("sweep: expected at least one picture and one style, got none")
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder}: expected a folder, or nothing yet, found a file")
        if (folder / RECIPE).exists():
            raise ParameterError(f"{folder}: expected a folder for many runs, found that of one")
        self.folder, self.jobs = folder, jobs
        self.limits = _divided(limits or Limits(), jobs, grid[0].recipe)
        self._shared = shared or SessionCache()  # what is read for the check is there for the painting
        self.queue = tuple(
            check_job(variant, folder / variant.name, self.limits, self._shared) for variant in grid
        )

    def paint(self, *, download: Progress | None = None) -> Generator[Event, None, None]:
        """Paint what is not done yet. Closing the iterator stops what is being painted, and keeps it.

        A run that fails is said to have failed, and the next one is begun.

        Args:
            download: called with (bytes done, bytes in all) while weights are downloaded, if that is done here and
                not in several processes.

        Raises:
            OutputError: another process paints in one of the folders.
        """
        left = [job for job in self.queue if job.state != "done"]
        for job in left:
            if is_held(job.path):
                raise OutputError(f"{job.path}: another process is painting in this folder")
        # One network after the other: only one is kept.
        networks = list(dict.fromkeys(network(job.variant.recipe) for job in left))
        left.sort(key=lambda job: networks.index(network(job.variant.recipe)))
        if self.jobs == 1:
            for job in left:
                yield from run_job(job, self.limits, self._shared, download=download)
            return
        yield from run_jobs(left, jobs=self.jobs, limits=self.limits)

    def overview(self) -> list[dict[str, Any]]:
        """Each run in short: "run", "content", "style", "settings", "status", "done", "loss", "seconds"."""
        found = []
        for job in self.queue:
            summary = read_summary(job.path)
            begun = (job.path / RECIPE).exists()
            found.append(
                {
                    "run": str(job.path),
                    "content": str(job.variant.content),
                    "style": str(job.variant.style),
                    "settings": dict(job.variant.settings),
                    "status": status(job.path) if begun else "new",
                    "done": summary.done if summary else 0,
                    "loss": summary.loss if summary else None,
                    "seconds": summary.seconds if summary else 0.0,
                }
            )
        return found

    def sheet(self) -> PIL.Image.Image | None:
        """The pictures that there are, None where there is none yet.

        Columns are the content, the style, and the values of the grid's first setting; pairs of pictures and the
        values of the other settings are rows.
        """
        # So many pictures that the sheet would be too large are shown smaller.
        side = max(32, min(_CELL, math.isqrt(_SHEET // len(self.queue))))
        results = {job.path: _shown(job.path / RESULT, side) for job in self.queue if is_done(job.path)}
        cell = max((max(each.size) for each in results.values() if each), default=0)
        if not cell:
            return None
        axes = list(dict.fromkeys(name for job in self.queue for name in job.variant.settings))
        columns = list(dict.fromkeys(_at(job, axes[:1]) for job in self.queue))
        rows: dict[tuple[Path, Path, str], list[PIL.Image.Image | None]] = {}
        pairs: set[tuple[Path, Path]] = set()
        for job in self.queue:
            pair = job.variant.content, job.variant.style
            row = rows.setdefault((*pair, _at(job, axes[1:])), [None] * (2 + len(columns)))
            if pair not in pairs:
                row[:2] = [_shown(path, cell) for path in pair]
                pairs.add(pair)
            row[2 + columns.index(_at(job, axes[:1]))] = results.get(job.path)
        return contact_sheet(
            list(rows.values()),
            row_labels=_row_labels(rows, several=len(pairs) > 1),
            column_labels=["content", "style", *columns],
            cell=cell,
        )

    def write_sheet(self) -> Path | None:
        """Write :meth:`sheet` into the folder; None where there is nothing to show yet.

        Raises:
            OutputError: it cannot be written.
        """
        sheet = self.sheet()
        if sheet is None:
            return None
        path = self.folder / SHEET
        try:
            with replacing(path) as file:
                sheet.save(file, "PNG")
        except OSError as error:
            raise OutputError(f"{path}: cannot write: {error.strerror or error}") from None
        return path

    def write_report(self) -> Path | None:
        """Write a page of the runs begun so far into the folder (:mod:`impasto.reports.html`); None without any.

        Raises:
            OutputError: it cannot be written.
        """
        begun = [job.path for job in self.queue if (job.path / RECIPE).exists()]
        if not begun:
            return None
        path = self.folder / REPORT
        report.write(path, begun, title=self.folder.resolve().name)
        return path


def paint(
    folder: str | os.PathLike[str],
    content: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    style: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    grid: Mapping[str, Sequence[Any]],
    jobs: int = 1,
    save_every: SaveEvery = 0,
    tensorboard: bool = False,
    on_event: Callable[[Event], object] | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """Every content in every style at every combination of a grid, with a contact sheet and a report.

    Args:
        folder: for the runs; made if it is not there. Runs that are done in it are not painted again.
        content, style: paths of pictures, one or several of each; each style is painted alone.
        grid: field of :class:`impasto.Recipe`, or "quality", -> its values.
        jobs: how many to paint at once, each in a process of its own. A script that asks for more than one must
            stand under ``if __name__ == "__main__":``.
        save_every: iterations between two pictures kept; "log" for ever fewer.
        tensorboard: also write what TensorBoard shows of each run.
        on_event: called with each :class:`Event`.
        options: as for :func:`impasto.stylize`, for all runs.

    Returns:
        what :meth:`Sweep.overview` says.

    Raises:
        InputError: anything given cannot be used; nothing has been painted then.
        OutputError: the folder cannot be written to, or another process paints in it.
    """
    if tensorboard:
        require()
    given = dict(options)
    memory = given.pop("memory", None)
    limits = Limits(
        max_pixels=given.pop("max_pixels", Limits.max_pixels),
        memory=None if memory is None else parse_memory(memory),
        save_every=save_every,
        tensorboard=tensorboard,
    )
    recipe = given.pop("recipe", None)
    if callable(given.get("encoder")):
        raise ParameterError(
            "encoder: expected a name, a network of your own cannot be kept in a run's folder"
        )
    if isinstance(given.get("palette"), str | os.PathLike):
        given["palette"] = Input(path=os.fspath(given["palette"]))

    def build(settings: Mapping[str, Any]) -> Recipe:
        together = {**given, **settings}
        return resolve(**together) if recipe is None else change(recipe, together)

    runs = variants(build, contents=_paths(content), styles=_paths(style), grid=check_grid(grid))
    sweep = Sweep(Path(folder), runs, jobs=jobs, limits=limits)
    with closing(sweep.paint()) as events:
        for event in events:
            if on_event is not None:
                on_event(event)
    sweep.write_sheet()
    sweep.write_report()
    return sweep.overview()


def _shown(path: Path, side: int) -> PIL.Image.Image | None:
    """The picture for a sheet; None if it cannot be read any more, which shall not keep others from being shown."""
    found = picture_or_note(path)
    return None if isinstance(found, str) else fitted(found, side)


def _at(job: Job, axes: Sequence[str]) -> str:
    settings = job.variant.settings
    return ", ".join(f"{name}={shown(settings[name])}" for name in axes if name in settings)


def _row_labels(rows: Mapping[tuple[Path, Path, str], object], *, several: bool) -> list[str]:
    labels = []
    for content, style, settings in rows:
        pair = f"{content.stem} x {style.stem}" if several else ""
        labels.append(", ".join(part for part in (pair, settings) if part))
    return labels if any(labels) else []


def _divided(limits: Limits, jobs: int, recipe: Recipe) -> Limits:
    """What each of several processes may use."""
    if jobs == 1:
        return limits
    memory = available_memory(choose_device(recipe.device)) if limits.memory is None else limits.memory
    return replace(limits, memory=memory // jobs, threads=max(1, torch.get_num_threads() // jobs))


def _paths(given: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    several = [given] if isinstance(given, str | os.PathLike) else list(given)
    for each in several:
        if not isinstance(each, str | os.PathLike):
            raise ParameterError(f"sweep: expected paths of pictures, got {type(each).__name__}")
    return [Path(each) for each in several]
