"""Recording a session into a run's folder: events, pictures, checkpoints, changes, the result."""

from __future__ import annotations

import datetime
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import ValidationError

from impasto import images
from impasto._version import __version__
from impasto.assembly.device import peak_memory
from impasto.engine.step import Step
from impasto.errors import OutputError, described
from impasto.recipes.fields import Change, absolute
from impasto.recipes.recipe import Recipe
from impasto.runs.checkpoint import Checkpoint
from impasto.runs.folder import RunFolder
from impasto.runs.layout import RESULT, Status, Summary
from impasto.runs.readers import read_summary
from impasto.runs.tensorboard import Board, require
from impasto.transfer.driver import Driver
from impasto.transfer.painting import Painting
from impasto.transfer.result import Result
from impasto.transfer.session import Session

SaveEvery = int | Literal["log"]
"""Iterations between two saved pictures; with "log" each interval is √2 times the last; 0 saves none."""

CHECKPOINT_SECONDS = 30.0
"""Time between two checkpoints, the most work that a killed run loses. It is longer where writing is slow."""


def is_save_step(done: int, every: SaveEvery) -> bool:
    """Whether the picture after ``done`` iterations is saved."""
    if every == "log":
        return done in {round(2 ** (half / 2)) for half in range(2 * math.ceil(math.log2(done + 1)) + 1)}
    return every > 0 and done % every == 0


class Recording:
    """A session whose steps are written into a run's folder.

    Args:
        session: with absolute paths, so that the recipe is valid in any working directory.
        folder: new, or the folder that contains this session's recipe.
        save_every: iterations between two saved pictures; None continues with the run's own value.
        checkpoint_seconds: between two checkpoints; 0 writes one after each step, None takes
            :data:`CHECKPOINT_SECONDS`.
        tensorboard: also write TensorBoard event files (:mod:`impasto.runs.tensorboard`).
        undo_bytes: memory for snapshots to rewind to without recomputation.

    Attributes:
        notes: about the folder, one line each.
        last: the last step. It can be one ahead of the caller's, where Ctrl-C came while it was written.

    Raises:
        MissingExtraError: the package that writes TensorBoard's files is not installed.
        OutputError: the folder cannot be written.
    """

    def __init__(
        self,
        session: Session,
        folder: RunFolder,
        *,
        save_every: SaveEvery | None = None,
        checkpoint_seconds: float | None = None,
        tensorboard: bool = False,
        undo_bytes: int = 0,
    ) -> None:
        if tensorboard:
            require()
        self.session, self.folder = session, folder
        self._checkpoint_seconds = CHECKPOINT_SECONDS if checkpoint_seconds is None else checkpoint_seconds
        self._resume_from: Checkpoint | None = None
        self.last: Step | None = None
        self.notes: list[str] = []
        self._step_notes: list[str] = []
        before = None
        if folder.is_new:
            session.load()  # writes the measured style weight of a strength into the recipe
            # Resolve "auto": on another machine it may mean another device, and resuming would change the picture.
            chosen = {"device": session.device.type, "precision": session.precision}
            session.recipe = session.recipe.model_copy(update=chosen)
            folder.write_recipe(session.recipe)
        else:
            self._resume_from, self.notes = folder.read_checkpoint()
            before = read_summary(folder.path)
        if save_every is None:
            save_every = before.save_every if before else 0
        self._save_every = save_every
        now = _now()
        height, width = session.size
        self._summary = Summary(
            impasto=__version__,
            status="running",
            started=before.started if before else now,
            size=(width, height),
            done=self._resume_from.done if self._resume_from else 0,
            planned=sum(level.iterations for level in session.levels),
            seconds=self._resume_from.seconds if self._resume_from else 0.0,
            device=str(session.device),
            precision=session.precision,
            threads=torch.get_num_threads(),
            notes=session.notes,
            save_every=save_every,
        )
        if before is not None:
            self.notes += _machine_differences(before, self._summary)
        folder.drop_events_after(self._summary.done)
        folder.write_summary(self._summary)
        self._board = Board(folder.path, done=self._summary.done) if tensorboard else None
        self._undo_bytes = undo_bytes
        self._painting: Painting | None = None

    @property
    def done(self) -> int:
        """Iterations done."""
        return self._summary.done

    @property
    def planned(self) -> int:
        """Iterations in all."""
        return self._summary.planned

    @property
    def painting(self) -> Painting:
        """The iterator over the session's steps, created on first access."""
        if self._painting is None:
            state = None if self._resume_from is None else self._resume_from.state
            self._painting = self.session.steps(state, undo_bytes=self._undo_bytes)
            self._resume_from = None  # closes the checkpoint's file after reading
        return self._painting

    def change(self, **settings: Any) -> Mapping[str, Any]:
        """:meth:`impasto.transfer.painting.Painting.change`, written to disk before the next step.

        Raises:
            InputError: as for ``Painting.change``.
            OutputError: the folder cannot be written.
        """
        changed = self.painting.change(**with_absolute_masks(settings))
        if changed:
            write_change(self.folder, self.session.recipe, self.painting.done, changed)
        return changed

    def undo(self, to: int | None = None) -> int:
        """:meth:`impasto.transfer.painting.Painting.undo`; also removes the undone steps from the folder.

        Raises:
            ParameterError: as for ``Painting.undo``.
            OutputError: the folder cannot be written.
        """
        done = self.painting.done
        to = self.painting.undo(to)
        write_undo(self.folder, self.session.recipe, done, to)
        self._summary = self._summary.model_copy(update={"done": to})
        self.folder.write_summary(self._summary)
        if self._board is not None:
            self._board.close()
            self._board = Board(self.folder.path, done=to)
        return to

    def __iter__(self) -> Iterator[Step]:
        written, cost = time.monotonic(), 0.0
        self._start_time = written - self._summary.seconds
        for step in self.painting:
            self.last = step
            now = time.monotonic()
            self._update_summary(step)
            event = self._event(step)
            self.folder.append(event)
            if self._board is not None:
                self._board.add(event)
                if is_save_step(step.done, "log"):
                    self._board.show(step.done, step.image)
            if is_save_step(step.done, self._save_every):
                path = self.folder.path / f"step-{step.done:06d}.png"
                images.write(path, step.image, metadata=self.session.recipe.to_metadata())
            # No checkpoint after the last step: a resumed run then has at least one step, and its picture.
            pause = self._checkpoint_seconds and max(self._checkpoint_seconds, 20.0 * cost)
            if step.done < step.planned and now - written >= pause:
                self.folder.write_checkpoint(Checkpoint(step.live_state(), step.done, self._summary.seconds))
                self.folder.write_summary(self._summary)
                written = time.monotonic()
                cost = written - now
            yield step

    def _update_summary(self, step: Step) -> None:
        """Update the summary with a step; a second call with the same step is a no-op."""
        if self._summary.done >= step.done:
            return
        self._step_notes += step.notes
        self._summary = self._summary.model_copy(
            update={
                "done": step.done,
                "planned": step.planned,
                "loss": step.loss,
                "losses": dict(step.losses),
                "seconds": round(time.monotonic() - self._start_time, 3),
                "peak_memory": peak_memory(self.session.device),
                "notes": (*self._summary.notes, *step.notes),
            }
        )

    def _event(self, step: Step) -> Mapping[str, Any]:
        height, width = self.session.levels[step.level].size
        return {
            "done": step.done,
            "planned": step.planned,
            "level": step.level,
            "size": [width, height],
            "iteration": step.iteration,
            "loss": step.loss,
            "losses": dict(step.losses),
            "seconds": self._summary.seconds,
            "memory": self._summary.peak_memory,
            "notes": list(step.notes),
        }

    def write_checkpoint(self, step: Step) -> None:
        """Write a checkpoint at ``step``, so that resuming recomputes nothing. ``step`` must be the last step."""
        if step.done < step.planned:
            self.folder.write_checkpoint(Checkpoint(step.live_state(), step.done, self._summary.seconds))

    def result(self) -> Result:
        """The result after the last step."""
        if self.last is None:
            raise TypeError("result: expected at least one step, got none")
        return self.session.result(self.last, notes=self._step_notes)

    def finish(self, result: Result | None = None, *, bits: Literal[8, 16] = 8) -> Path:
        """Write the result. A finished run loses its checkpoints; a stopped run keeps them."""
        result = result or self.result()
        if self.last is not None and result.stopped:  # perhaps while this step was being written
            self._update_summary(self.last)
            self.folder.append_if_missing(self._event(self.last))
        path = self.folder.path / RESULT
        if result.stopped:
            path = self.folder.path / f"step-{result.steps:06d}.png"
        images.write(path, result.image, bits=bits, metadata=result.recipe.to_metadata())
        self._end(
            "stopped" if result.stopped else "done",
            loss=result.loss,
            losses=dict(result.losses),
            peak_memory=result.peak_memory,
        )
        if self._board is not None:
            if not is_save_step(result.steps, "log"):
                self._board.show(result.steps, result.image)
            self._board.close()
        if not result.stopped:
            self.folder.remove_checkpoints()
        return path

    def fail(self, error: Exception) -> None:
        """Write the status "failed" and the error into the summary, where the folder can be written."""
        try:
            self._end("failed", notes=(*self._summary.notes, described(error)))
            if self._board is not None:
                self._board.close()
        except OutputError:
            return  # the caller raises the original error

    def _end(self, status: Status, **update: Any) -> None:
        self._summary = self._summary.model_copy(update={"status": status, **update})
        self.folder.write_summary(self._summary)


def write_change(folder: RunFolder, recipe: Recipe, done: int, changed: Mapping[str, Any]) -> None:
    """Write the recipe and the event of a change after ``done`` iterations."""
    folder.replace_recipe(recipe)
    settings = Change(at=done, **changed).model_dump(mode="json", include=set(changed))
    folder.append({"steered": "change", "done": done, "settings": settings, "time": _now()})


def write_undo(folder: RunFolder, recipe: Recipe, done: int, to: int) -> None:
    """Write the recipe and the event of an undo from ``done`` to ``to`` iterations, and remove all later files."""
    # Before the recipe: the recipe must contain the changes that an existing checkpoint includes.
    folder.drop_after(to)
    folder.replace_recipe(recipe)
    folder.append({"steered": "undo", "done": done, "to": to, "time": _now()})


def with_absolute_masks(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """A copy with absolute paths of masks; the session validates the settings afterwards."""
    with suppress(ValidationError):
        regions = Change(at=0, regions=settings.get("regions")).with_paths(absolute).regions
        return settings if regions is None else {**settings, "regions": regions}
    return settings


def _machine_differences(before: Summary, now: Summary) -> Iterator[str]:
    """A note for each property of the computation that differs from before the interruption."""
    if before.threads != now.threads:
        yield (
            f"expected {before.threads} threads as before, got {now.threads}: "
            "the picture may differ in the last bits"
        )
    if before.precision != now.precision:
        yield f"expected {before.precision} as before, got {now.precision}: details may differ"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@contextmanager
def recording_failure(recording: Recording | None) -> Iterator[None]:
    """Write an exception raised in the block into the run's summary, and raise it again."""
    try:
        yield
    except Exception as error:
        if recording is not None:
            recording.fail(error)
        raise


def paint_all(recording: Recording, on_step: Callable[[Step], object] | None) -> Result:
    """Iterate a run to its end, and write its result."""
    for step in Driver(recording):
        if on_step is not None:
            on_step(step)
    result = recording.result()
    recording.finish(result)
    return result
