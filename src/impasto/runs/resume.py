"""Runs gone on with, after whatever stopped them."""

from __future__ import annotations

import os
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
    failing,
    paint_all,
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
    """The session of a folder's recipe, and the folder, held.

    Args:
        back_to: iterations done to go back to, in a run that is done too; later changes are dropped.
        change: settings that are others from there on, or from where it was stopped
            (:meth:`impasto.transfer.painting.Painting.change`).
        max_pixels, options: of the session.

    Raises:
        InputError: it is no run's folder, the run is done, a picture has changed, it has not come as far as
            ``back_to``, or ``change`` cannot be made.
        OutputError: another process is painting there.
    """
    recipe = read_recipe(path)
    summary = read_summary(path)
    if summary is not None and summary.status == "done" and back_to is None:
        raise ParameterError(f"{path}: this run is done; `impasto rerun` paints it again")
    stood = iterations_done(path)
    if back_to is not None:
        if not 0 <= back_to <= stood:
            raise ParameterError(f"{path}: expected 0 to {stood} iterations to go back to, got {back_to}")
        recipe = recipe.before(back_to)
    done = stood if back_to is None else back_to
    if recipe.content is None or not recipe.styles:
        raise ParameterError(f"{path}: {RECIPE} names no pictures")
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
            if old.sha256 != new.sha256:
                raise ParameterError(f"{path}: {what} {old.path} has changed since this run was begun")
        changed = session.change(done, with_absolute_masks(change)) if change else {}
        if back_to is not None:
            write_undo(folder, recipe, stood, back_to)
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
    """A run that was stopped, to go on with and to steer; the picture is that of an uninterrupted one.

    Args:
        run: its folder.
        save_every: iterations between two pictures kept; None goes on as it was begun.
        tensorboard: also write for TensorBoard.
        undo_bytes: memory for states that can be gone back to at once.
        options: ``back_to`` and ``change``, as for :func:`resume`.

    Raises:
        InputError, OutputError: as there.
    """
    session, folder = resume(Path(run), **options)
    with folder:
        recording = Recording(
            session, folder, save_every=save_every, tensorboard=tensorboard, undo_bytes=undo_bytes
        )
        with failing(recording):
            yield recording


def go_on(
    run: str | os.PathLike[str], *, on_step: Callable[[Step], object] | None = None, **options: Any
) -> Result:
    """Go on with a run that was stopped: :func:`reopen`, painted to its end.

    Args:
        run, options: as there.
        on_step: called with each :class:`impasto.Step`.

    Raises:
        InputError, OutputError: as there.
        DivergedError: the optimisation cannot go on.
    """
    with reopen(run, undo_bytes=0, **options) as recording:
        return paint_all(recording, on_step)
