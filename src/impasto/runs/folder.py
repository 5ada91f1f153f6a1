"""A run on disk: a folder that says all about one picture being painted, and from which it can go on.

    recipe.toml              every setting, and the pictures with the hashes of their files
    events.jsonl             a line for each iteration: losses, seconds, memory; and for each change and undo
    step-000050.png          the picture so far, when asked for
    checkpoint.safetensors   where to go on; checkpoint-before.safetensors is the one before
    run.json                 in short: status, sizes, losses, times
    result.png               the picture

A folder belongs to one process at a time. Every file but the events is whole or not there; a line of events that a
power cut tore is cut off when the folder is opened. Docs: ``docs/run-folder.md``.
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
    """A run's folder, held by this process until :meth:`close`.

    Args:
        path: is made if it is not there.

    Raises:
        OutputError: it cannot be made or written to, or another process has it.
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
            self._mend_events()
        except OSError as error:
            self.close()
            raise _unwritable(path, error) from None

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let others have it."""
        self._lock.release()

    @property
    def is_new(self) -> bool:
        """Whether no run has been begun here."""
        return not (self.path / RECIPE).exists()

    # --- what is written once ---------------------------------------------------------------------------------

    def write_recipe(self, recipe: Recipe) -> None:
        """Begin a run.

        Raises:
            ParameterError: there is one already.
            OutputError: it cannot be written.
        """
        check_new(self.path)
        self._write(RECIPE, recipe.to_toml().encode())

    def replace_recipe(self, recipe: Recipe) -> None:
        """Write down another, as it has become by what was changed while painting.

        Raises:
            OutputError: it cannot be written. The one that is there stays.
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
        """Replace the checkpoint; the one that was there is kept as the one before.

        Raises:
            OutputError: it cannot be written. Those that are there stay.
        """
        newest, before = (self.path / name for name in CHECKPOINTS)
        try:
            with replacing(newest, keep=before) as file:
                write_to(file, checkpoint)
        except OSError as error:
            raise _unwritable(newest, error) from None

    def read_checkpoint(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest checkpoint that is whole, and what there is to say about it. Damaged ones are set aside."""
        notes: list[str] = []
        for name in CHECKPOINTS:
            path = self.path / name
            if not path.exists():
                continue
            try:
                return read_from(path), notes
            except (OSError, ValueError) as error:
                path.replace(path.with_suffix(".damaged"))
                notes.append(f"{name} is damaged, it is set aside: {one_line(error, limit=100)}")
        return None, notes

    def remove_checkpoints(self) -> None:
        """They are the largest thing in a folder, and of no use to a run that is done."""
        for name in CHECKPOINTS:
            with suppress(OSError):
                (self.path / name).unlink(missing_ok=True)

    # --- events -----------------------------------------------------------------------------------------------

    def append(self, event: Mapping[str, Any]) -> None:
        """Add a line to the events.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            with (self.path / EVENTS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(event) + "\n")
        except OSError as error:
            self._mend_events()
            raise _unwritable(self.path / EVENTS, error) from None

    def complete(self, event: Mapping[str, Any]) -> None:
        """Add the newest line, unless it is there: writing it may have been interrupted at any moment.

        Raises:
            OutputError: it cannot be written.
        """
        self._mend_events()
        if all(each["done"] != event["done"] for each in read_events(self.path)):
            self.append(event)

    def forget_events_after(self, done: int) -> None:
        """Drop the lines of iterations beyond ``done``: they are about to be done again."""
        events = [
            event
            for event in every_event(self.path)
            if event and ("steered" in event or event["done"] <= done)
        ]
        self._write(EVENTS, "".join(json.dumps(event) + "\n" for event in events).encode())

    def forget_after(self, done: int) -> None:
        """Drop all that was made beyond ``done`` iterations, except what was changed when.

        Raises:
            OutputError: it cannot be written to.
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
        self.forget_events_after(done)

    def _mend_events(self) -> None:
        """Cut off a last line that was torn."""
        path = self.path / EVENTS
        if not path.exists():
            return
        with path.open("rb+") as file:
            data = file.read()
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                file.truncate(whole)


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot write: {error.strerror or error}")
