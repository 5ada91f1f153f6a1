"""One run of a sweep: what it will take, whether its folder already has it, and the painting of it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from impasto.assembly.networks import Progress
from impasto.errors import ImpastoError, ParameterError
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
from impasto.transfer.session import Limits as SessionLimits
from impasto.transfer.session import Session
from impasto.transfer.session_cache import SessionCache

State = Literal["new", "begun", "done"]


@dataclass(frozen=True)
class Limits(SessionLimits):
    """What runs may use, each process for itself, and keep.

    Attributes:
        save_every: iterations between two pictures kept.
        threads: of each process; None takes torch's own number.
        tensorboard: also write what TensorBoard shows of each run.
    """

    save_every: SaveEvery = 0
    threads: int | None = None
    tensorboard: bool = False


@dataclass(frozen=True)
class Job:
    """A run of a sweep, as it was when the sweep was drawn up.

    Attributes:
        variant: what is painted.
        path: its folder.
        state: whether it has been begun, or done.
        plan: what it will take; None for networks whose memory is not known.
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
        status: "begun", "painting" after each iteration, and at last "done" or "failed".
        done, planned: iterations.
        loss: of the newest one.
        notes: what there is to say, one line each; of a run that failed, why.
    """

    name: str
    status: Literal["begun", "painting", "done", "failed"]
    done: int = 0
    planned: int = 0
    loss: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether this was the run's last word."""
        return self.status in ("done", "failed")


def check_job(variant: Variant, path: Path, limits: Limits, shared: SessionCache) -> Job:
    """A variant, checked, for the folder ``path``. Nothing is written.

    Raises:
        InputError: it cannot be painted, or the folder has a run of other settings or pictures.
    """
    session = _session(variant, limits, shared)
    state: State = "new"
    if (path / RECIPE).exists():
        _check_same(path, read_recipe(path), session.recipe)
        state = "done" if is_done(path) else "begun"
    return Job(variant, path, state, session.plan, session.notes)


def run_job(
    job: Job,
    limits: Limits,
    shared: SessionCache,
    *,
    download: Progress | None = None,
    on_begin: Callable[[Driver], object] | None = None,
) -> Generator[Event, None, None]:
    """Paint one run, or go on with it. Closing the iterator stops it where it is, and keeps it.

    Args:
        download: called with (bytes done, bytes in all) while weights are downloaded.
        on_begin: called with the driver, which takes commands from then on.
    """
    name = job.variant.name
    try:
        recording = _begun(job, limits, shared, download)
    except ImpastoError as error:
        yield Event(name, "failed", notes=(str(error),))
        return
    session, driver = recording.session, Driver(recording)
    with recording.folder:
        try:
            planned = sum(level.iterations for level in session.levels)
            yield Event(name, "begun", planned=planned, notes=tuple(recording.notes))
            if on_begin is not None:
                on_begin(driver)
            for step in driver:
                yield Event(name, "painting", step.done, step.planned, step.loss, step.notes)
            last = driver.newest
            if driver.stopped:
                recording.write_checkpoint(last)
            result = session.result(last, notes=driver.notes)
            recording.finish(result)
        except GeneratorExit:  # between two steps: nothing is half done
            if driver.last is not None:
                recording.write_checkpoint(driver.last)
                recording.finish(session.result(driver.last, notes=driver.notes))
            raise
        except ImpastoError as error:
            recording.fail(error)
            yield Event(name, "failed", notes=(str(error),))
            return
        except Exception as error:
            recording.fail(error)
            raise
    yield Event(name, "done", last.done, last.planned, result.loss)


def _begun(job: Job, limits: Limits, shared: SessionCache, download: Progress | None) -> Recording:
    if (job.path / RECIPE).exists():
        session, folder = resume(job.path, max_pixels=limits.max_pixels, shared=shared, progress=download)
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
        shared=shared,
        progress=download,
    )


def is_done(path: Path) -> bool:
    """Whether a folder has a picture that is finished."""
    return (path / RESULT).exists() and status(path) == "done"


def _check_same(path: Path, begun: Recipe, wanted: Recipe) -> None:
    """Refuse to go on with a run of other settings or pictures."""
    changed = differences(begun, wanted)
    # The planner's own; and what was "auto" has become what the machine has.
    ours = ["tile", "history_memory"]
    ours += [name for name in ("device", "precision") if getattr(wanted, name) == "auto"]
    # Measured while painting.
    ours += ["style_weight"] if wanted.strength is not None and begun.strength == wanted.strength else []
    for name, (old, new) in changed.items():
        if name in ours:
            continue
        what = f"{name} {old} there, {new} here" if old != new else f"{name} {new} has changed since"
        raise ParameterError(f"{path}: expected a run of the same settings and pictures, got {what}")
    summary = read_summary(path)
    if summary is not None and summary.status == "done" and not (path / RESULT).exists():
        raise ParameterError(f"{path}: this run is done, but its {RESULT} is gone; remove the folder")
