"""A run on disk: a folder with the recipe, the log, the checkpoints and the result of one picture.

    recipe.toml              every setting, and the input pictures with the hashes of their files
    events.jsonl             one line for each iteration (losses, seconds, memory), change and undo
    step-000050.png          the picture so far, written on request
    checkpoint.safetensors   the last checkpoint; checkpoint-before.safetensors is the previous one
    run.json                 summary: status, sizes, losses, times
    result.png               the picture

A lock file gives the folder to one process at a time. Every file except the events is written atomically. Opening the
folder removes an incomplete last line of events, which a power cut may leave. Docs: ``docs/run-folder.md``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import filelock

from impasto.errors import OutputError
from impasto.files import PARTIAL, replacing
from impasto.recipes.recipe import Recipe
from impasto.runs.checkpoint import Checkpoint, done_in, read_from, write_to
from impasto.runs.layout import CHECKPOINTS, EVENTS, LOCK, RECIPE, SUMMARY, Summary
from impasto.runs.readers import check_new, every_event, read_events
from impasto.text import one_line


class RunFolder:
    """A run's folder, locked by this process until :meth:`close`.

    Args:
        path: of the folder, created if missing.

    Raises:
        OutputError: the folder cannot be created or written, or another process has locked it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = filelock.FileLock(path / LOCK)
            self._lock.acquire(blocking=False)
        except filelock.Timeout:
            raise OutputError(f"{path}: another process is painting in this folder") from None
        except OSError as error:
            raise _unwritable(path, error) from None
        try:
            for partial in path.glob(PARTIAL):  # of a process that was killed
                partial.unlink()
            self._drop_incomplete_line()
        except OSError as error:
            self.close()
            raise _unwritable(path, error) from None

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the lock."""
        self._lock.release()

    @property
    def is_new(self) -> bool:
        """Whether the folder contains no run."""
        return not (self.path / RECIPE).exists()

    # --- recipe and summary -----------------------------------------------------------------------------------

    def write_recipe(self, recipe: Recipe) -> None:
        """Write the recipe of a new run.

        Raises:
            ParameterError: the folder already contains a run.
            OutputError: the file cannot be written.
        """
        check_new(self.path)
        self._write(RECIPE, recipe.to_toml().encode())

    def replace_recipe(self, recipe: Recipe) -> None:
        """Replace the recipe, after a change or an undo.

        Raises:
            OutputError: the file cannot be written; the previous recipe stays.
        """
        self._write(RECIPE, recipe.to_toml().encode())

    def write_summary(self, summary: Summary) -> None:
        """Replace `run.json`."""
        self._write(SUMMARY, (summary.model_dump_json(indent=1) + "\n").encode())

    def _write(self, name: str, data: bytes) -> None:
        try:
            with replacing(self.path / name) as file:
                file.write(data)
        except OSError as error:
            raise _unwritable(self.path / name, error) from None

    # --- checkpoints ------------------------------------------------------------------------------------------

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint, and keep the previous one under its second name.

        Raises:
            OutputError: the file cannot be written; both existing checkpoints stay.
        """
        newest, before = (self.path / name for name in CHECKPOINTS)
        try:
            with replacing(newest, keep=before) as file:
                write_to(file, checkpoint)
        except OSError as error:
            raise _unwritable(newest, error) from None

    def read_checkpoint(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest intact checkpoint, and one note for each damaged one, which is renamed to ``*.damaged``."""
        notes: list[str] = []
        for name in CHECKPOINTS:
            path = self.path / name
            if not path.exists():
                continue
            try:
                return read_from(path), notes
            except (OSError, ValueError) as error:
                path.replace(path.with_suffix(".damaged"))
                notes.append(f"{name} is damaged and was renamed: {one_line(error, limit=100)}")
        return None, notes

    def remove_checkpoints(self) -> None:
        """Remove the checkpoints of a finished run, which needs none; they are the largest files of the folder."""
        for name in CHECKPOINTS:
            with suppress(OSError):
                (self.path / name).unlink(missing_ok=True)

    # --- events -----------------------------------------------------------------------------------------------

    def append(self, event: Mapping[str, Any]) -> None:
        """Append a line to the events.

        Raises:
            OutputError: the line cannot be written.
        """
        try:
            with (self.path / EVENTS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(event) + "\n")
        except OSError as error:
            self._drop_incomplete_line()
            raise _unwritable(self.path / EVENTS, error) from None

    def append_if_missing(self, event: Mapping[str, Any]) -> None:
        """Append the last iteration's line if an interrupt prevented it.

        Raises:
            OutputError: the line cannot be written.
        """
        self._drop_incomplete_line()
        if all(each["done"] != event["done"] for each in read_events(self.path)):
            self.append(event)

    def drop_events_after(self, done: int) -> None:
        """Remove the lines of all iterations after ``done``, before these iterations are recomputed."""
        events = [
            event
            for event in every_event(self.path)
            if event and ("steered" in event or event["done"] <= done)
        ]
        self._write(EVENTS, "".join(json.dumps(event) + "\n" for event in events).encode())

    def drop_after(self, done: int) -> None:
        """Remove checkpoints, pictures and events of all iterations after ``done``; the log of changes stays.

        Raises:
            OutputError: the folder cannot be written.
        """
        try:
            for name in CHECKPOINTS:
                at = done_in(self.path / name)
                if at is None or at > done:
                    (self.path / name).unlink(missing_ok=True)
            for path in self.path.glob("step-*.png"):
                digits = path.stem.removeprefix("step-")
                if digits.isdecimal() and int(digits) > done:
                    path.unlink()
        except OSError as error:
            raise _unwritable(self.path, error) from None
        self.drop_events_after(done)

    def _drop_incomplete_line(self) -> None:
        """Remove an incomplete last line of the events."""
        path = self.path / EVENTS
        if not path.exists():
            return
        with path.open("rb+") as file:
            data = file.read()
            end = data.rfind(b"\n") + 1
            if end < len(data):
                file.truncate(end)


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot write: {error.strerror or error}")
