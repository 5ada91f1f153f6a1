"""Resuming a run after a stop, a kill or a power cut."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from impasto.engine.step import Step
from impasto.errors import ParameterError
from impasto.runs.folder import RunFolder
from impasto.runs.layout import RECIPE
from impasto.runs.readers import iterations_done, read_recipe, read_summary
from impasto.runs.recording import (
    Recording,
    SaveEvery,
    paint_all,
    recording_failure,
    with_absolute_masks,
    write_change,
    write_undo,
)
from impasto.transfer.painting import UNDO_BYTES
from impasto.transfer.pictures import Sources
from impasto.transfer.result import Result
from impasto.transfer.session import Limits, Session


def resume(
    path: Path,
    *,
    back_to: int | None = None,
    change: Mapping[str, Any] | None = None,
    max_pixels: int = 1_000_000_000,
    **options: Any,
) -> tuple[Session, RunFolder]:
    """The session of a folder's recipe, and the folder, locked.

    Args:
        back_to: number of iterations to rewind to, also in a finished run; removes later changes.
        change: settings to change from there on (:meth:`impasto.transfer.painting.Painting.change`).
        max_pixels, options: of the session.

    Raises:
        InputError: the folder contains no run, the run is done, an input picture has changed, the run has fewer
            iterations than ``back_to``, or a setting in ``change`` is invalid.
        OutputError: another process has locked the folder.
    """
    recipe = read_recipe(path)
    summary = read_summary(path)
    if summary is not None and summary.status == "done" and back_to is None:
        raise ParameterError(
            f"{path}: expected an unfinished run, got one that is done; to paint it again:",
            command=f"impasto rerun {shlex.quote(str(path))}",
        )
    iterations = iterations_done(path)
    if back_to is not None:
        if not 0 <= back_to <= iterations:
            raise ParameterError(f"{path}: expected 0 to {iterations} iterations to rewind to, got {back_to}")
        recipe = recipe.before(back_to)
    done = iterations if back_to is None else back_to
    if recipe.content is None or not recipe.styles:
        raise ParameterError(f"{path}: expected a content and a style in {RECIPE}, got none")
    folder = RunFolder(path)
    try:
        session = Session(
            recipe,
            Sources(recipe.content.path, [style.path for style in recipe.styles]),
            limits=Limits(max_pixels),
            asked=(),
            keep_plan=True,
            **options,
        )
        now = session.recipe
        for (what, old), (_, new) in zip(recipe.inputs, now.inputs, strict=True):
            if old.sha256 and old.sha256 != new.sha256:
                raise ParameterError(
                    f"{path}: expected the {what} picture that the run started with, got a changed {old.path}"
                )
        changed = session.change(done, with_absolute_masks(change)) if change else {}
        if back_to is not None:
            write_undo(folder, recipe, iterations, back_to)
        if changed:
            write_change(folder, session.recipe, done, changed)
    except BaseException:
        folder.close()
        raise
    return session, folder


@contextmanager
def reopen(
    run: str | os.PathLike[str],
    *,
    save_every: SaveEvery | None = None,
    tensorboard: bool = False,
    undo_bytes: int = UNDO_BYTES,
    **options: Any,
) -> Iterator[Recording]:
    """Open an interrupted run, to iterate over and to steer; the result is bit-identical to an uninterrupted run's.

    Args:
        run: its folder.
        save_every: iterations between two saved pictures; None continues with the run's own value.
        tensorboard: also write TensorBoard event files.
        undo_bytes: memory for snapshots to rewind to without recomputation.
        options: ``back_to`` and ``change``, as for :func:`resume`.

    Raises:
        InputError, OutputError: as for :func:`resume`.
    """
    session, folder = resume(Path(run), **options)
    with folder:
        recording = Recording(
            session, folder, save_every=save_every, tensorboard=tensorboard, undo_bytes=undo_bytes
        )
        with recording_failure(recording):
            yield recording


def go_on(
    run: str | os.PathLike[str], *, on_step: Callable[[Step], object] | None = None, **options: Any
) -> Result:
    """Resume an interrupted run and finish it: :func:`reopen`, iterated to its end.

    Args:
        run, options: as for :func:`reopen`.
        on_step: called with each :class:`impasto.Step`.

    Raises:
        InputError, OutputError: as for :func:`reopen`.
        DivergedError: the loss became NaN, and restarting the optimiser did not help.
    """
    with reopen(run, undo_bytes=0, **options) as recording:
        return paint_all(recording, on_step)
