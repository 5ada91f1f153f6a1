"""TODO"""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import filelock
from pydantic import BaseModel, ConfigDict, ValidationError

from impasto.errors import OutputError, ParameterError
from impasto.files import PARTIAL, replacing
from impasto.recipes.recipe import Recipe, read_toml, recipe_from
from impasto.runs.checkpoint import Checkpoint, read_from, write_to
from impasto.text import one_line

VERSION = 1
"""Of the folder's layout."""


RECIPE, EVENTS, SUMMARY, RESULT = "recipe.toml", "events.jsonl", "run.json", "result.png"


CHECKPOINTS = ("checkpoint.safetensors", "checkpoint-before.safetensors")


_LOCK = ".lock"


Status = Literal["running", "done", "stopped", "failed"]


class Summary(BaseModel):
    """`run.json`.

    Attributes:
        version: of the folder's layout.
        impasto: the version that painted.
        status: "running" (or killed: see :func:`status`), "done", "stopped" by the user, or "failed".
        started: when the first sitting began, ISO 8601.
        size: (width, height) of the result.
        done, planned: iterations.
        loss, losses: of the newest iteration; when done, of the result.
        seconds: painting, over all sittings.
        device, precision, threads: what it is painted with; another one gives other last bits.
        peak_memory: bytes.
        notes: what was noticed, one line each.
        save_every: iterations between two pictures kept; a resumed run keeps on keeping them.
    """

    model_config = ConfigDict(frozen=True)

    version: int = VERSION
    impasto: str
    status: Status
    started: str
    size: tuple[int, int]
    done: int = 0
    planned: int
    loss: float | None = None
    losses: dict[str, float] = {}
    seconds: float = 0.0
    device: str
    precision: str
    threads: int
    peak_memory: int = 0
    notes: tuple[str, ...] = ()
    save_every: int | Literal["log"] = 0


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
            self._lock = filelock.FileLock(path / _LOCK)
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
            event for event in _events(self.path) if event and ("steered" in event or event["done"] <= done)
        ]
        self._write(EVENTS, "".join(json.dumps(event) + "\n" for event in events).encode())

    def forget_after(self, done: int) -> None:
        """Drop all that was made beyond ``done`` iterations, except what was changed when.

        Raises:
            OutputError: it cannot be written to.
        """
        try:
            for name in CHECKPOINTS:
                at = _done_in(self.path / name)
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


def _done_in(checkpoint: Path) -> int | None:
    """Iterations done in a checkpoint; None if it is damaged, or not there."""
    try:
        return read_from(checkpoint).done
    except (ValueError, FileNotFoundError):
        return None


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot write: {error.strerror or error}")


def check_new(path: Path) -> None:
    """Refuse a folder that has a run in it already.

    Raises:
        ParameterError: it has.
    """
    if (path / RECIPE).exists():
        raise ParameterError(
            f"{path}: expected a folder without a run, there is one already; go on with it: impasto resume {path}"
        )


# --- reading a folder, whoever has it ---------------------------------------------------------------------------
def read_recipe(path: Path) -> Recipe:
    """The recipe of a run.

    Raises:
        ParameterError: it is no run's folder, or its recipe is damaged.
    """
    try:
        text = (path / RECIPE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ParameterError(f"{path}: expected the folder of a run, found no {RECIPE} in it") from None
    return recipe_from(read_toml(text, name=RECIPE), name=RECIPE)


def read_summary(path: Path) -> Summary | None:
    """What `run.json` says; None where there is none, or it is damaged."""
    with suppress(OSError, ValidationError):
        return Summary.model_validate_json((path / SUMMARY).read_bytes())
    return None


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """The iterations so far; a torn line is left out, and so is one that is damaged."""
    return (event for event in _events(path) if event is not None and "steered" not in event)


def read_steering(path: Path) -> Iterator[dict[str, Any]]:
    """What was changed and undone, in the order in which it was; also what has been dropped since."""
    return (event for event in _events(path) if event is not None and "steered" in event)


def reached(path: Path) -> int:
    """Iterations done, as far as anything in the folder knows."""
    found: list[int] = [event["done"] for event in read_events(path)]
    return max(*found, *(_done_in(path / name) or 0 for name in CHECKPOINTS), 0)


def damaged_events(path: Path) -> int:
    """How many lines of the events are none; a last one that is still being written does not count."""
    return sum(event is None for event in _events(path))


def _events(path: Path) -> Iterator[dict[str, Any] | None]:
    """Line by line; None for a whole line that says nothing."""
    with suppress(OSError), (path / EVENTS).open(encoding="utf-8", errors="replace") as file:
        for line in file:
            event = None
            # Not only a JSONDecodeError: a number of 5000 digits is a ValueError, and brackets go deep.
            with suppress(ValueError, RecursionError):
                event = json.loads(line)
            if isinstance(event, dict) and isinstance(event.get("done"), int):
                yield event
            elif line.endswith("\n"):
                yield None


def status(path: Path) -> str:
    """The summary's status, or "interrupted" where it says running and no process is."""
    summary = read_summary(path)
    if summary is None:
        return "interrupted" if not is_held(path) else "running"
    return "interrupted" if summary.status == "running" and not is_held(path) else summary.status


def is_held(path: Path) -> bool:
    """Whether a process is painting there; also where this one may only read."""
    return _cannot_share(path / _LOCK)


def _cannot_lock(path: Path) -> bool:
    if not path.exists():
        return False
    lock = filelock.FileLock(path)
    try:
        lock.acquire(blocking=False)
    except (filelock.Timeout, OSError):
        return True
    lock.release()
    return False


if sys.platform == "win32":
    _cannot_share = _cannot_lock
else:
    import fcntl

    def _cannot_share(path: Path) -> bool:
        with suppress(OSError), path.open("rb") as file:
            try:
                # As filelock locks it, but for reading: its own lock needs a file that may be written to.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError as error:
                return error.errno in (errno.EAGAIN, errno.EACCES)
        return False


def find(folder: Path) -> list[Path]:
    """The runs in a folder and below, by name.

    Raises:
        ParameterError: there is no such folder.
    """
    if not folder.is_dir():
        raise ParameterError(f"{folder}: expected a folder with runs, found none")
    return sorted(path.parent for path in folder.rglob(RECIPE) if path.is_file())


def overview(path: Path) -> dict[str, Any]:
    """A run in short: what lists and tables show of it. Its status is "damaged" where its recipe is.

    Raises:
        ParameterError: it is no run's folder.
    """
    recipe, summary = None, read_summary(path)
    try:
        recipe = read_recipe(path)
    except ParameterError:
        if not (path / RECIPE).is_file():
            raise
    inputs = [each for each in (recipe.content, *recipe.styles) if each is not None] if recipe else []
    return {
        "run": str(path),
        "status": status(path) if recipe else "damaged",
        "preset": recipe.preset if recipe else None,
        "pictures": " x ".join(Path(each.path).stem for each in inputs),
        "size": list(summary.size) if summary else None,
        "done": summary.done if summary else 0,
        "planned": summary.planned if summary else recipe.steps if recipe else 0,
        "loss": summary.loss if summary else None,
        "seconds": summary.seconds if summary else 0.0,
        "started": summary.started if summary else None,
    }
