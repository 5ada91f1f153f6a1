"""A sweep: one run for each combination of a grid, each in its own folder, all checked before the first starts.

Runs share a cache of pictures and targets (`impasto.transfer.resources`); each result is bit-identical to that of
`impasto stylize`. Repeating a sweep skips finished runs and resumes interrupted ones.
"""

from __future__ import annotations

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
from impasto.files import replacing
from impasto.jobs.job import Event, Limits, check_job, run_job
from impasto.jobs.workers import run_jobs
from impasto.recipes.fields import Input
from impasto.recipes.grid import Build, Variant, check_grid, variants
from impasto.recipes.parsing import parse_memory
from impasto.recipes.presets import change, resolve
from impasto.recipes.recipe import Recipe
from impasto.reports import html as report
from impasto.runs.layout import RECIPE
from impasto.runs.readers import is_held, read_summary, status
from impasto.runs.recording import SaveEvery
from impasto.runs.tensorboard import require
from impasto.sweeps import sheet
from impasto.transfer.peak_memory import available_memory
from impasto.transfer.resources import SessionCache, network

SHEET, REPORT = "sheet.png", "report.html"


class Sweep:
    """All runs of a grid. The constructor checks every run and writes nothing.

    Args:
        folder: contains one folder for each run.
        grid: of :func:`impasto.recipes.grid.variants`.
        jobs: number of parallel processes, which divide the threads and the memory equally.
        limits: for all processes together.
        strict: refuse a folder with something else in it; without it, only a plan can be made.

    Attributes:
        queue: the jobs, in the grid's order.

    Raises:
        InputError: a variant is invalid, or its folder contains a run with other settings or pictures.
        OutputError: ``folder`` is a file.
    """

    def __init__(
        self,
        folder: Path,
        grid: Sequence[Variant],
        *,
        jobs: int = 1,
        limits: Limits | None = None,
        shared: SessionCache | None = None,
        strict: bool = True,
    ) -> None:
        if jobs < 1:
            raise ParameterError(f"jobs: expected 1 or more, got {jobs}")
        if not grid:
            raise ParameterError("sweep: expected at least one picture and one style, got none")
        if strict:
            _check_folder(folder)
        self.folder, self.jobs = folder, jobs
        self.limits = _per_process(limits or Limits(), jobs, grid[0].recipe)
        self._shared = shared or SessionCache()  # the runs reuse the pictures that the check reads
        self.queue = tuple(
            check_job(variant, folder / variant.name, self.limits, self._shared, strict=strict)
            for variant in grid
        )

    def paint(self, *, download: Progress | None = None) -> Generator[Event, None, None]:
        """Execute all unfinished runs. Closing the iterator stops the active runs and writes their checkpoints.

        A failed run yields an event "failed" and does not stop the others.

        Args:
            download: called with (bytes done, total bytes) while weights are downloaded; only where ``jobs`` is 1.

        Raises:
            OutputError: another process has locked one of the folders.
            ParameterError: the folder has a file of the user's that the sweep would replace.
        """
        self._check_own_files()
        pending = [job for job in self.queue if job.state != "done"]
        for job in pending:
            if is_held(job.path):
                raise OutputError(f"{job.path}: another process is painting in this folder")
        # Group the runs by network, since the cache contains only one.
        networks = list(dict.fromkeys(network(job.variant.recipe) for job in pending))
        pending.sort(key=lambda job: networks.index(network(job.variant.recipe)))
        if self.jobs == 1:
            for job in pending:
                yield from run_job(job, self.limits, self._shared, download=download)
            return
        yield from run_jobs(pending, jobs=self.jobs, limits=self.limits)

    def _check_own_files(self) -> None:
        """Refuse a folder without runs whose files the sheet and the report would replace.

        Raises:
            ParameterError: there is such a file.
        """
        for path in (self.folder / SHEET, self.folder / REPORT):
            if path.exists() and next(self.folder.glob(f"**/{RECIPE}"), None) is None:
                raise ParameterError(f"{path}: expected a folder without such a file for a sweep, got one")

    def overview(self) -> list[dict[str, Any]]:
        """One dict for each run: "run", "content", "style", "settings", "status", "done", "loss", "seconds"."""
        found = []
        for job in self.queue:
            summary = read_summary(job.path)
            exists = (job.path / RECIPE).exists()
            found.append(
                {
                    "run": str(job.path),
                    "content": str(job.variant.content),
                    "style": str(job.variant.style),
                    "settings": dict(job.variant.settings),
                    "status": status(job.path) if exists else "new",
                    "done": summary.done if summary else 0,
                    "loss": summary.loss if summary else None,
                    "seconds": summary.seconds if summary else 0.0,
                }
            )
        return found

    def sheet(self) -> PIL.Image.Image | None:
        """A contact sheet of the finished pictures (:mod:`impasto.sweeps.sheet`); None where none is finished."""
        return sheet.draw(self.queue)

    def write_sheet(self) -> Path | None:
        """Write :meth:`sheet` into the folder, and return its path; None where no picture is finished.

        Raises:
            OutputError: the file cannot be written.
        """
        drawn = self.sheet()
        if drawn is None:
            return None
        path = self.folder / SHEET
        try:
            with replacing(path) as file:
                drawn.save(file, "PNG")
        except OSError as error:
            raise OutputError(f"{path}: cannot write: {error.strerror or error}") from None
        return path

    def write_report(self) -> Path | None:
        """Write a report (:mod:`impasto.reports.html`) of all started runs into the folder; None without any.

        Raises:
            OutputError: the file cannot be written.
        """
        started = [job.path for job in self.queue if (job.path / RECIPE).exists()]
        if not started:
            return None
        path = self.folder / REPORT
        report.write(path, started, title=self.folder.resolve().name)
        return path


def _check_folder(folder: Path) -> None:
    """Check that a folder can have many runs."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: expected a folder or a free name, got a file")
    if (folder / RECIPE).exists():
        raise ParameterError(f"{folder}: expected a folder for many runs, got the folder of a single run")


def sweep(
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
    """Paint every content in every style at every combination of a grid; write a contact sheet and a report.

    Args:
        folder: for the runs, created if missing. Finished runs in it are skipped.
        content, style: paths of pictures, one or several of each. Each run has one content and one style.
        grid: field of :class:`impasto.Recipe`, or "quality", -> its values.
        jobs: number of parallel processes. With more than one, a script needs ``if __name__ == "__main__":``.
        save_every: iterations between two saved pictures; "log" for logarithmic intervals.
        tensorboard: also write TensorBoard event files of each run.
        on_event: called with each :class:`Event`.
        options: as for :func:`impasto.stylize`, for all runs.

    Returns:
        :meth:`Sweep.overview`.

    Raises:
        InputError: an argument cannot be used; no run has started.
        OutputError: the folder cannot be written, or another process has locked a run in it.
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
    runs = variants(
        _recipe_builder(given), contents=_paths(content), styles=_paths(style), grid=check_grid(grid)
    )
    made = Sweep(Path(folder), runs, jobs=jobs, limits=limits)
    with closing(made.paint()) as events:
        for event in events:
            if on_event is not None:
                on_event(event)
    made.write_sheet()
    made.write_report()
    return made.overview()


def _recipe_builder(given: Mapping[str, Any]) -> Build:
    """A function that builds a recipe from the options of all runs and the settings of one combination."""
    options = dict(given)
    recipe = options.pop("recipe", None)
    if callable(options.get("encoder")):
        raise ParameterError("encoder: expected a name for a run in a folder, got a network of your own")
    if isinstance(options.get("palette"), str | os.PathLike):
        options["palette"] = Input(path=os.fspath(options["palette"]))

    def build(settings: Mapping[str, Any]) -> Recipe:
        combined = {**options, **settings}
        return resolve(**combined) if recipe is None else change(recipe, combined)

    return build


def _per_process(limits: Limits, jobs: int, recipe: Recipe) -> Limits:
    """The share of each of ``jobs`` processes."""
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
