"""Reading a run's folder without its lock, also while another process writes to it."""

from __future__ import annotations

import errno
import json
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import filelock
from pydantic import ValidationError

from impasto.errors import ParameterError
from impasto.recipes.recipe import Recipe, recipe_from
from impasto.recipes.validation import read_toml
from impasto.runs.layout import CHECKPOINTS, EVENTS, LOCK, RECIPE, RESULT, SUMMARY, Summary


def check_new(path: Path) -> None:
    """Check that a folder contains no run, nor any file that a run would replace.

    Raises:
        ParameterError: the folder contains one.
    """
    if (path / RECIPE).exists():
        raise ParameterError(
            f"{path}: expected a folder without a run, got one with a run; to resume it:",
            command=f"impasto resume {shlex.quote(str(path))}",
        )
    for pattern in (EVENTS, SUMMARY, RESULT, *CHECKPOINTS, "step-[0-9]*.png"):
        for each in path.glob(pattern):
            raise ParameterError(
                f"{each}: expected a folder without such a file for a run; give another folder"
            )


def read_recipe(path: Path) -> Recipe:
    """The recipe of a run.

    Raises:
        ParameterError: the folder contains no run, or its recipe is damaged.
    """
    try:
        text = (path / RECIPE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ParameterError(f"{path}: expected the folder of a run, {_instead(path)}") from None
    return recipe_from(read_toml(text, name=RECIPE), name=RECIPE)


def _instead(path: Path) -> str:
    """What is there in place of a run."""
    if path.is_dir():
        return f"got no {RECIPE} in it"
    return "got a file" if path.exists() else "there is no such folder"


def read_summary(path: Path) -> Summary | None:
    """The content of `run.json`; None where the file is missing or damaged."""
    with suppress(OSError, ValidationError):
        return Summary.model_validate_json((path / SUMMARY).read_bytes())
    return None


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """The events of iterations, without incomplete and damaged lines."""
    return (event for event in every_event(path) if event is not None and "steered" not in event)


def read_steering(path: Path) -> Iterator[dict[str, Any]]:
    """The events of changes and undos, in order, including the changes that were undone later."""
    return (event for event in every_event(path) if event is not None and "steered" in event)


def iterations_done(path: Path) -> int:
    """Iterations done: the largest number in the events and checkpoints."""
    from impasto.runs.checkpoint import done_in  # which imports torch

    found: list[int] = [event["done"] for event in read_events(path)]
    return max(*found, *(done_in(path / name) or 0 for name in CHECKPOINTS), 0)


def damaged_events(path: Path) -> int:
    """Number of damaged lines in the events; an incomplete last line does not count."""
    return sum(event is None for event in every_event(path))


def every_event(path: Path) -> Iterator[dict[str, Any] | None]:
    """All events in order; None for each complete line that is damaged."""
    with suppress(OSError), (path / EVENTS).open(encoding="utf-8", errors="replace") as file:
        for line in file:
            event = None
            # More than JSONDecodeError: a number of 5000 digits raises ValueError, nested brackets RecursionError.
            with suppress(ValueError, RecursionError):
                event = json.loads(line)
            if isinstance(event, dict) and isinstance(event.get("done"), int):
                yield event
            elif line.endswith("\n"):
                yield None


def status(path: Path) -> str:
    """The summary's status, or "interrupted" where the summary says "running" and no process holds the lock."""
    summary = read_summary(path)
    if summary is None:
        return "interrupted" if not is_held(path) else "running"
    return "interrupted" if summary.status == "running" and not is_held(path) else summary.status


def is_held(path: Path) -> bool:
    """Whether a process holds the folder's lock; works in read-only folders too."""
    return _cannot_share(path / LOCK)


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
                # filelock's own lock needs a writable file; a shared flock conflicts with it and needs only reading.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError as error:
                return error.errno in (errno.EAGAIN, errno.EACCES)
        return False


def find(folder: Path) -> list[Path]:
    """The folders of all runs in a folder, at any depth, sorted; numbers in their names by value, run2 before run10.

    Raises:
        ParameterError: there is no such folder.
    """
    if not folder.is_dir():
        raise ParameterError(f"{folder}: expected a folder with runs, {_instead(folder)}")
    return sorted((path.parent for path in folder.rglob(RECIPE) if path.is_file()), key=natural_order)


def natural_order(path: Path) -> list[tuple[int, str]]:
    """A key that sorts paths by text, and numbers in them by value."""
    parts = re.split(r"([0-9]+)", str(path))  # text, number, text, ...
    return [(int(part), "") if at % 2 else (0, part) for at, part in enumerate(parts)]


def overview(path: Path) -> dict[str, Any]:
    """The columns of a run in lists and tables. The status is "damaged" where the recipe is damaged.

    Raises:
        ParameterError: the folder contains no run.
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
