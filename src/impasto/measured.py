"""What was found out by measuring this machine, kept on disk so that it is measured once.

Each answer is a small JSON file of its own in ``measured/`` of the cache folder. Its name is a digest of everything
that the answer depends on, so that another processor, thread count or version asks anew, and any number of processes
may write at once. Nothing here is needed: where a file is damaged or none can be written, it is measured again. What
was measured while others were computing too holds for an hour.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from impasto._version import __version__
from impasto.busy import disturbed, look
from impasto.errors import ImpastoError
from impasto.files import cache_folder, replacing
from impasto.processor import processor

T = TypeVar("T")

# Seconds. Not nothing: processes that follow each other, such as a run and its resumption, shall choose alike.
_DISTURBED_HOLDS = 3600.0
_lock = (
    threading.RLock()
)  # one measurement at a time: two would slow each other. One may need another's answer.
_known: dict[str, Any] = {}
_given: list[Mapping[str, Any]] = []


def measured(
    question: str, measure: Callable[[], T], *, revision: int = 0, accept: Callable[[Any], bool] | None = None
) -> T:
    """The answer to ``question`` on this machine: as measured before, by any process, or else measured now.

    Args:
        question: what is asked, with everything that the answer depends on but the machine, such as
            ``"convolution 256 256 float32"``.
        measure: finds the answer, a JSON value. It should take well under a second.
        revision: of what is measured; another one measures again.
        accept: whether a value can be the answer; one from disk that cannot is measured again.
    """
    for answers in reversed(_given):
        if question in answers:
            answer: T = answers[question]
            return answer
    depends = _depends_on(question, revision)
    digest = hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()
    with _lock:
        if digest not in _known:
            path = _path(question, digest)
            found = _read(path, depends)
            if found is None or (accept is not None and not accept(found)):
                look()
                found = measure()
                until = time.time() + _DISTURBED_HOLDS if disturbed(depends["threads"]) else None
                _write(path, depends, found, until)
            _known[digest] = found
        known: T = _known[digest]
        return known


@contextmanager
def answering(answers: Mapping[str, Any]) -> Iterator[None]:
    """Within the block these questions have these answers, and nothing is measured for them.

    For what must not depend on how busy the machine is: tests, and pictures to be equal to the last bit.
    """
    _given.append(answers)
    try:
        yield
    finally:
        _given.pop()


def race(ways: Mapping[str, Callable[[], object]], *, seconds: float) -> dict[str, float]:
    """Milliseconds of each way, the least of several rounds.

    They run in turn, so that what else the machine does falls on all of them. The first round warms up and does not
    count; at least one more does, whatever it takes.

    Args:
        ways: name -> what to run.
        seconds: after which no further round begins.
    """
    best = dict.fromkeys(ways, float("inf"))
    for run in ways.values():
        run()
    end = time.perf_counter() + seconds
    while True:
        for name, run in ways.items():
            started = time.perf_counter()
            run()
            best[name] = min(best[name], 1e3 * (time.perf_counter() - started))
        if time.perf_counter() >= end:
            return best


def forget() -> None:
    """Ask the disk again, as a new process does."""
    with _lock:
        _known.clear()


def _depends_on(question: str, revision: int) -> dict[str, Any]:
    """All that an answer depends on."""
    return {"question": question, "revision": revision, **machine()}


def machine() -> dict[str, Any]:
    """What makes this machine, as it may be used now, another one than the next."""
    import torch

    here = processor()
    return {
        "processor": here.name,
        "model": here.model,
        "extensions": list(here.extensions),
        "bfloat16": here.bfloat16,
        "threads": here.threads,
        "torch": str(torch.__version__),
        "impasto": __version__,
    }


def _path(question: str, digest: str) -> Path | None:
    """Where the answer is kept; None where nothing can be."""
    name = re.sub(r"[^a-z0-9]+", "-", question.lower()).strip("-")[:60]
    try:
        return cache_folder() / "measured" / f"{name}-{digest[:16]}.json"
    except ImpastoError:
        return None


def _read(path: Path | None, depends: Mapping[str, Any]) -> Any:
    """The answer on disk; None if there is none, or it is not one, or holds no longer."""
    if path is None:
        return None
    try:
        kept = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(kept, dict) or any(kept.get(key) != value for key, value in depends.items()):
        return None
    until = kept.get("until")
    if until is not None and not (isinstance(until, int | float) and time.time() < until):
        return None
    return kept.get("answer")


def _write(path: Path | None, depends: Mapping[str, Any], answer: object, until: float | None) -> None:
    text = json.dumps({**depends, "until": until, "answer": answer}, indent=1)
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(text.encode())
    except OSError:
        return  # a full or read-only disk; what was measured still holds for this process
