"""What is written into a run's folder while it is painted: steps, pictures, checkpoints, changes, the result."""

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
from impasto.errors import OutputError
from impasto.recipes.fields import Change
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
"""Iterations between two pictures kept; "log" keeps ever fewer, each after √2 times as many iterations; 0 none."""

CHECKPOINT_SECONDS = 30.0
"""The most work that a killed run loses, unless writing takes so long that it would slow painting down."""


def is_save_step(done: int, every: SaveEvery) -> bool:
    """Whether the picture after ``done`` iterations is kept."""
    if every == "log":
        return done in {round(2 ** (half / 2)) for half in range(2 * math.ceil(math.log2(done + 1)) + 1)}
    return every > 0 and done % every == 0


class Recording:
    """A session whose steps go into a folder.

    Args:
        session: made with absolute paths, so that the recipe finds its pictures from anywhere.
        folder: new, or one that this session's recipe came from.
        save_every: which pictures are kept; None goes on as the run was begun.
        checkpoint_seconds: between two checkpoints; 0 writes one after each step, None takes
            :data:`CHECKPOINT_SECONDS`.
        tensorboard: also write what TensorBoard shows (:mod:`impasto.runs.tensorboard`).
        undo_bytes: memory for states that can be gone back to at once.

    Attributes:
        notes: what there is to say about the folder.
        last: the newest step; whoever iterates may have an older one, if Ctrl-C came while this one was written down.

    Raises:
        MissingExtraError: what writes TensorBoard's files is not installed.
        OutputError: the folder cannot be written to.
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
        self._from: Checkpoint | None = None
        self.last: Step | None = None
        self.notes: list[str] = []
        self._of_steps: list[str] = []
        before = None
        if folder.is_new:
            session.load()  # the recipe says which weight a strength came to
            # What "auto" meant here: another machine would choose otherwise, and go on to another picture.
            chosen = {"device": session.device.type, "precision": session.precision}
            session.recipe = session.recipe.model_copy(update=chosen)
            folder.write_recipe(session.recipe)
        else:
            self._from, self.notes = folder.read_checkpoint()
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
            done=self._from.done if self._from else 0,
            planned=sum(level.iterations for level in session.levels),
            seconds=self._from.seconds if self._from else 0.0,
            device=str(session.device),
            precision=session.precision,
            threads=torch.get_num_threads(),
            notes=session.notes,
            save_every=save_every,
        )
        if before and before.threads != self._summary.threads:
            self.notes.append(
                f"{before.threads} threads before, {self._summary.threads} now: last bits may differ"
            )
        if before and before.precision != self._summary.precision:
            self.notes.append(f"{before.precision} before, {self._summary.precision} now: details may differ")
        folder.forget_events_after(self._summary.done)
        folder.write_summary(self._summary)
        self._board = Board(folder.path, done=self._summary.done) if tensorboard else None
        self._undo_bytes = undo_bytes
        self._begun: Painting | None = None

    @property
    def painting(self) -> Painting:
        """What is painted; begun when it is first asked for."""
        if self._begun is None:
            state = None if self._from is None else self._from.state
            self._begun = self.session.steps(state, undo_bytes=self._undo_bytes)
            self._from = None  # its file is let go of once it has been read
        return self._begun

    def change(self, **settings: Any) -> Mapping[str, Any]:
        """:meth:`impasto.transfer.painting.Painting.change`, on the disk before the next step is taken.

        Raises:
            InputError: as there.
            OutputError: it cannot be written down.
        """
        changed = self.painting.change(**with_absolute_masks(settings))
        if changed:
            write_change(self.folder, self.session.recipe, self.painting.done, changed)
        return changed

    def undo(self, to: int | None = None) -> int:
        """:meth:`impasto.transfer.painting.Painting.undo`; what the folder has of the steps undone is dropped.

        Raises:
            ParameterError: as there.
            OutputError: it cannot be written down.
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
        self._began = written - self._summary.seconds
        for step in self.painting:
            self.last = step
            now = time.monotonic()
            self._sum_up(step)
            event = self._event(step)
            self.folder.append(event)
            if self._board is not None:
                self._board.add(event)
                if is_save_step(step.done, "log"):
                    self._board.show(step.done, step.image)
            if is_save_step(step.done, self._save_every):
                path = self.folder.path / f"step-{step.done:06d}.png"
                images.write(path, step.image, metadata=self.session.recipe.to_toml())
            # Never after the last one: who resumes has a step to do, and with it a picture to show.
            pause = self._checkpoint_seconds and max(self._checkpoint_seconds, 20.0 * cost)
            if step.done < step.planned and now - written >= pause:
                self.folder.write_checkpoint(Checkpoint(step.live_state(), step.done, self._summary.seconds))
                self.folder.write_summary(self._summary)
                written = time.monotonic()
                cost = written - now
            yield step

    def _sum_up(self, step: Step) -> None:
        """The summary as it is after this step; once, however often it is asked for."""
        if self._summary.done >= step.done:
            return
        self._of_steps += step.notes
        self._summary = self._summary.model_copy(
            update={
                "done": step.done,
                "planned": step.planned,
                "loss": step.loss,
                "losses": dict(step.losses),
                "seconds": round(time.monotonic() - self._began, 3),
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

    def keep(self, step: Step) -> None:
        """Write a checkpoint at ``step``, so that going on repeats nothing. No further step may have been begun."""
        if step.done < step.planned:
            self.folder.write_checkpoint(Checkpoint(step.live_state(), step.done, self._summary.seconds))

    def result(self) -> Result:
        """The result as it stands after the newest step."""
        if self.last is None:
            raise TypeError("a session without steps")
        return self.session.result(self.last, notes=self._of_steps)

    def finish(self, result: Result | None = None, *, bits: Literal[8, 16] = 8) -> Path:
        """Write the result; the run is done, and its checkpoints are no longer needed."""
        result = result or self.result()
        if self.last is not None and result.stopped:  # perhaps while this step was written down
            self._sum_up(self.last)
            self.folder.complete(self._event(self.last))
        path = self.folder.path / RESULT
        if result.stopped:
            path = self.folder.path / f"step-{result.steps:06d}.png"
        images.write(path, result.image, bits=bits, metadata=result.recipe.to_toml())
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
        """Say in the summary that painting ended in an error, if that can be written."""
        try:
            self._end("failed", notes=(*self._summary.notes, " ".join(str(error).split())))
            if self._board is not None:
                self._board.close()
        except OutputError:
            return  # the error at hand is the one to tell

    def _end(self, status: Status, **update: Any) -> None:
        self._summary = self._summary.model_copy(update={"status": status, **update})
        self.folder.write_summary(self._summary)


def write_change(folder: RunFolder, recipe: Recipe, done: int, changed: Mapping[str, Any]) -> None:
    """Write down what was changed after ``done`` iterations, and the recipe that has it."""
    folder.replace_recipe(recipe)
    settings = Change(at=done, **changed).model_dump(mode="json", include=set(changed))
    folder.append({"steered": "change", "done": done, "settings": settings, "time": _now()})


def write_undo(folder: RunFolder, recipe: Recipe, done: int, to: int) -> None:
    """Write down that it was gone back from ``done`` iterations, and drop what came after ``to``."""
    # Before the recipe: a checkpoint is of changes that the recipe must still have.
    folder.forget_after(to)
    folder.replace_recipe(recipe)
    folder.append({"steered": "undo", "done": done, "to": to, "time": _now()})


def with_absolute_masks(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same with paths of masks that are good from anywhere; what is wrong with them is for the session to say."""
    with suppress(ValidationError):
        regions = Change(at=0, regions=settings.get("regions")).absolute().regions
        return settings if regions is None else {**settings, "regions": regions}
    return settings


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@contextmanager
def failing(recording: Recording | None) -> Iterator[None]:
    """The run's folder says so when painting fails."""
    try:
        yield
    except Exception as error:
        if recording is not None:
            recording.fail(error)
        raise


def paint_all(recording: Recording, on_step: Callable[[Step], object] | None) -> Result:
    """Paint a run to its end, and write its result."""
    for step in Driver(recording):
        if on_step is not None:
            on_step(step)
    result = recording.result()
    recording.finish(result)
    return result
