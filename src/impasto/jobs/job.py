"""One run of a sweep: its plan, the check of its folder, and its execution."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from impasto.assembly.networks import Progress
from impasto.errors import ParameterError, described
from impasto.recipes.differences import differences
from impasto.recipes.grid import Variant
from impasto.recipes.recipe import Recipe
from impasto.runs.folder import RunFolder
from impasto.runs.layout import RECIPE, RESULT
from impasto.runs.readers import read_recipe, read_summary, status
from impasto.runs.recording import Recording, SaveEvery
from impasto.runs.resume import resume
from impasto.transfer.driver import Driver
from impasto.transfer.pictures import Sources
from impasto.transfer.planner import Plan
from impasto.transfer.resources import SessionCache
from impasto.transfer.session import Limits as SessionLimits
from impasto.transfer.session import Session

State = Literal["new", "begun", "done", "other"]


@dataclass(frozen=True)
class Limits(SessionLimits):
    """Limits and outputs of each run.

    Attributes:
        save_every: iterations between two saved pictures.
        threads: of each process; None takes torch's default.
        tensorboard: also write TensorBoard event files of each run.
    """

    save_every: SaveEvery = 0
    threads: int | None = None
    tensorboard: bool = False


@dataclass(frozen=True)
class Job:
    """A run of a sweep, as of the check.

    Attributes:
        variant: the pictures and the recipe.
        path: the run's folder.
        state: "new", "begun" (started, not finished), "done", or "other": the folder has a run that this one would
            not continue.
        plan: estimated memory and time; None for networks of unknown memory.
        notes: about its pictures and its plan, one line each.
    """

    variant: Variant
    path: Path
    state: State
    plan: Plan | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Event:
    """One event of a sweep.

    Attributes:
        name: of the variant.
        status: "begun" once, "painting" after each iteration, finally "done" or "failed".
        done, planned: numbers of iterations.
        loss: of the last iteration.
        seconds_left: to the end of the run; None where nobody knows.
        notes: one line each; the error of a failed run is one of them.
    """

    name: str
    status: Literal["begun", "painting", "done", "failed"]
    done: int = 0
    planned: int = 0
    loss: float | None = None
    notes: tuple[str, ...] = ()
    seconds_left: float | None = None

    @property
    def ended(self) -> bool:
        """Whether this is the run's last event."""
        return self.status in ("done", "failed")


def check_job(
    variant: Variant, path: Path, limits: Limits, shared: SessionCache, *, strict: bool = True
) -> Job:
    """Check a variant for the folder ``path``, without writing anything.

    Args:
        variant, path, limits, shared: of the job.
        strict: refuse a folder that contains a run with other settings or pictures.

    Raises:
        InputError: the variant is invalid, or the folder is refused.
    """
    session = _session(variant, limits, shared)
    state: State = "new"
    if (path / RECIPE).exists():
        state = "done" if is_done(path) else "begun"
        try:
            _check_same(path, read_recipe(path), session.recipe)
        except ParameterError as error:
            if strict:
                raise
            return Job(variant, path, "other", session.plan, (*session.notes, str(error)))
    return Job(variant, path, state, session.plan, session.notes)


def run_job(
    job: Job,
    limits: Limits,
    shared: SessionCache,
    *,
    download: Progress | None = None,
    on_begin: Callable[[Driver], object] | None = None,
) -> Generator[Event, None, None]:
    """Start or resume one run. Closing the iterator stops the run and writes a checkpoint.

    Args:
        download: called with (bytes done, total bytes) while weights are downloaded.
        on_begin: called once with the driver, before the first iteration; the driver accepts commands.
    """
    name = job.variant.name
    try:
        recording = _open_recording(job, limits, shared, download)
    except Exception as error:  # no error of one run may end the others
        yield Event(name, "failed", notes=(described(error),))
        return
    session, driver = recording.session, Driver(recording)
    with recording.folder:
        try:
            planned = sum(level.iterations for level in session.levels)
            yield Event(name, "begun", planned=planned, notes=tuple(recording.notes))
            if on_begin is not None:
                on_begin(driver)
            for step in driver:
                yield Event(
                    name, "painting", step.done, step.planned, step.loss, step.notes, step.seconds_left
                )
            last = driver.newest
            if driver.stopped:
                recording.write_checkpoint(last)
            result = session.result(last, notes=driver.notes)
            recording.finish(result)
        except GeneratorExit:  # raised at a yield, hence between two complete steps
            if driver.last is not None:
                recording.write_checkpoint(driver.last)
                recording.finish(session.result(driver.last, notes=driver.notes))
            raise
        except Exception as error:
            recording.fail(error)
            yield Event(name, "failed", notes=(described(error),))
            return
    yield Event(name, "done", last.done, last.planned, result.loss)


def _open_recording(job: Job, limits: Limits, shared: SessionCache, download: Progress | None) -> Recording:
    """A new run, or the existing one, resumed."""
    if (job.path / RECIPE).exists():
        session, folder = resume(job.path, max_pixels=limits.max_pixels, resources=shared, progress=download)
    else:
        session = _session(job.variant, limits, shared, download)
        folder = RunFolder(job.path)
    try:
        return Recording(session, folder, save_every=limits.save_every, tensorboard=limits.tensorboard)
    except BaseException:
        folder.close()
        raise


def _session(
    variant: Variant, limits: Limits, shared: SessionCache, download: Progress | None = None
) -> Session:
    return Session(
        variant.recipe,
        Sources(variant.content, [variant.style]),
        limits=limits,
        resources=shared,
        progress=download,
    )


def is_done(path: Path) -> bool:
    """Whether a folder contains a finished run with its result."""
    return (path / RESULT).exists() and status(path) == "done"


def _check_same(path: Path, existing: Recipe, wanted: Recipe) -> None:
    """Check that the existing run in a folder has the wanted settings and pictures.

    Raises:
        ParameterError: it has others, or its result is missing.
    """
    changed = differences(existing, wanted)
    # The planner sets these; "auto" was replaced by the chosen device and precision.
    derived = ["tile", "history_memory"]
    derived += [name for name in ("device", "precision") if getattr(wanted, name) == "auto"]
    # Measured from the strength.
    derived += (
        ["style_weight"] if wanted.strength is not None and existing.strength == wanted.strength else []
    )
    for name, (old, new) in changed.items():
        if name in derived:
            continue
        what = f"{name} {old} there, {new} here" if old != new else f"{name} {new} has changed since"
        raise ParameterError(f"{path}: expected a run of the same settings and pictures, got {what}")
    summary = read_summary(path)
    if summary is not None and summary.status == "done" and not (path / RESULT).exists():
        raise ParameterError(
            f"{path}: expected the {RESULT} of this finished run, got none; remove the folder to paint it again"
        )
