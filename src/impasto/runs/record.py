"""Painting in a folder: begun, and gone on with after whatever stopped it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import PIL.Image

from impasto import images
from impasto.engine.stylize import Step
from impasto.errors import OutputError, ParameterError
from impasto.images import Source
from impasto.recipes.recipe import STARTS, RegionOf
from impasto.runs.execute import make_session
from impasto.runs.folder import RECIPE, RunFolder, check_new, reached, read_recipe, read_summary
from impasto.runs.recording import Recording, SaveEvery, with_absolute_masks, write_change, write_undo
from impasto.runs.result import Result
from impasto.runs.session import Session
from impasto.runs.steering import UNDO_BYTES
from impasto.runs.tensorboard import require


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
            (:meth:`impasto.runs.steering.Painting.change`).
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
    stood = reached(path)
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
            recipe.content.path,
            [style.path for style in recipe.styles],
            asked=(),
            max_pixels=max_pixels,
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
def begin(
    run: str | os.PathLike[str],
    content: Source,
    style: Source | Sequence[Source],
    *,
    save_every: SaveEvery = 0,
    tensorboard: bool = False,
    undo_bytes: int = UNDO_BYTES,
    **options: Any,
) -> Iterator[Recording]:
    """A new run in a folder, to iterate over and to steer.

    Args:
        run: the folder; made if it is not there.
        content, style: as for :func:`impasto.stylize`. Pictures that are no files are written into the folder, 8 bits
            if they are uint8 and 16 if not, and what is painted is what was written.
        save_every: iterations between two pictures kept; "log" for ever fewer.
        tensorboard: also write what TensorBoard shows.
        undo_bytes: memory for states that can be gone back to at once.
        options: as there.

    Raises:
        ParameterError: there is a run in the folder already.
        InputError: anything given cannot be used, or what writes TensorBoard's files is not installed.
        OutputError: the folder cannot be written to, or another process has it.

    Example:
        >>> with begin("run1", "photo.jpg", "painting.jpg") as recording:  # doctest: +SKIP
        ...     for step in recording:
        ...         if step.done == 40:
        ...             recording.change(style_weight=60)
        ...     recording.finish()
    """
    path = Path(run)
    check_new(path)
    if tensorboard:  # before pictures are written into the folder
        require()
    styles = style if isinstance(style, list | tuple) else [style]
    if callable(options.get("encoder")):
        raise ParameterError(
            "encoder: expected a name, a network of your own cannot be kept in a run's folder"
        )
    kept = _Inputs(path)
    init = options.get("init")
    if init is not None and not (isinstance(init, str) and init in STARTS):
        options["init"] = kept.file("init", init)
    if options.get("palette") is not None:
        options["palette"] = kept.file("palette", options["palette"])
    if options.get("recipe") is not None:
        options["recipe"] = options["recipe"].absolute()
    if options.get("regions"):
        options["regions"] = [RegionOf.model_validate(each).absolute() for each in options["regions"]]
    session = make_session(
        kept.file("content", content),
        [kept.file(f"style-{number}", each) for number, each in enumerate(styles, start=1)],
        options,
    )
    with RunFolder(path) as folder:
        recording = Recording(
            session, folder, save_every=save_every, tensorboard=tensorboard, undo_bytes=undo_bytes
        )
        with failing(recording):
            yield recording


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


@contextmanager
def failing(recording: Recording | None) -> Iterator[None]:
    """The run's folder says so when painting fails."""
    try:
        yield
    except Exception as error:
        if recording is not None:
            recording.fail(error)
        raise


def stylize(
    run: str | os.PathLike[str],
    content: Source,
    style: Source | Sequence[Source],
    *,
    on_step: Callable[[Step], object] | None = None,
    **options: Any,
) -> Result:
    """:func:`impasto.stylize` in a run's folder: :func:`begin`, painted to its end.

    Args:
        run, content, style, options: as there.
        on_step: called with each :class:`impasto.Step`.

    Raises:
        InputError, OutputError: as there.
        DivergedError: the optimisation cannot go on.
    """
    with begin(run, content, style, undo_bytes=0, **options) as recording:
        return _finished(recording, on_step)


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
        return _finished(recording, on_step)


def _finished(recording: Recording, on_step: Callable[[Step], object] | None) -> Result:
    for step in recording:
        if on_step is not None:
            on_step(step)
    result = recording.result()
    recording.finish(result)
    return result


class _Inputs:
    """Pictures as files with absolute paths; those that are none are written into the run's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def file(self, name: str, source: Source) -> Path:
        if isinstance(source, str | os.PathLike):
            return Path(source).resolve()
        picture = images.read(source)
        whole = isinstance(source, PIL.Image.Image) or str(source.dtype).endswith("uint8")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self._folder}: cannot write: {error.strerror or error}") from None
        path = self._folder.resolve() / f"{name}.png"
        images.write(path, picture.pixels, bits=8 if whole else 16)
        return path
