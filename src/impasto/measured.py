"""A disk cache of measurements of this machine, such as which of two kernels is faster.

Each answer is a small JSON file in ``measured/`` of the cache folder. Its name contains a digest of everything that
the answer depends on, so another processor, thread count or version leads to a new measurement. Any number of
processes can write concurrently. A damaged file, or a cache that cannot be written, leads to a new measurement.
An answer that was measured while other processes were computing expires after an hour.
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
from impasto.busy import disturbed, take_sample
from impasto.errors import ImpastoError
from impasto.files import cache_folder, replacing
from impasto.processor import processor

T = TypeVar("T")

# Lifetime in seconds of a disturbed measurement. Not 0: a run and its resumption shortly after must choose alike.
_DISTURBED_LIFETIME = 3600.0
# One measurement at a time, since two would slow each other. Reentrant, since one may need the answer of another.
_lock = threading.RLock()
_known: dict[str, Any] = {}
_overrides: list[Mapping[str, Any]] = []


def measured(
    question: str, measure: Callable[[], T], *, revision: int = 0, accept: Callable[[Any], bool] | None = None
) -> T:
    """The answer to ``question`` on this machine, from the cache or else from a new measurement.

    Args:
        question: a key with everything that the answer depends on except the machine, such as
            ``"convolution 256 256 float32"``.
        measure: returns the answer, a JSON value. It should take well under a second.
        revision: of ``measure``; a new revision invalidates cached answers.
        accept: validates a cached answer; an invalid one is measured again.
    """
    for answers in reversed(_overrides):
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
                take_sample()
                found = measure()
                until = time.time() + _DISTURBED_LIFETIME if disturbed(depends["threads"]) else None
                _write(path, depends, found, until)
            _known[digest] = found
        known: T = _known[digest]
        return known


@contextmanager
def answering(answers: Mapping[str, Any]) -> Iterator[None]:
    """Within the block, these answers replace the measurements of their questions.

    For results that must not depend on the load of the machine: tests, and bit-identical pictures.
    """
    _overrides.append(answers)
    try:
        yield
    finally:
        _overrides.pop()


def race(ways: Mapping[str, Callable[[], object]], *, seconds: float) -> dict[str, float]:
    """The shortest time of each function, in milliseconds, over several rounds.

    The functions alternate, so that other load affects all of them. The first round is a warm-up and does not count;
    at least one more round follows.

    Args:
        ways: name -> function.
        seconds: no further round starts after this time.
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
    """Clear the cache in memory, so that answers are read from disk again, as in a new process."""
    with _lock:
        _known.clear()


def _depends_on(question: str, revision: int) -> dict[str, Any]:
    """Everything that an answer depends on."""
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
    """The file of an answer; None without a cache folder."""
    name = re.sub(r"[^a-z0-9]+", "-", question.lower()).strip("-")[:60]
    try:
        return cache_folder() / "measured" / f"{name}-{digest[:16]}.json"
    except ImpastoError:
        return None


def _read(path: Path | None, depends: Mapping[str, Any]) -> Any:
    """The answer on disk; None where the file is missing, damaged, of another machine or expired."""
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
        return  # a full or read-only disk; the answer stays in memory
