"""Handling of SIGINT (Ctrl-C) and SIGTERM, so that a stopped run loses no iteration."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from impasto.transfer.driver import Driver


@contextmanager
def stopping(driver: Driver) -> Iterator[None]:
    """SIGINT or SIGTERM stops the driver after the current iteration; a second one raises KeyboardInterrupt."""
    asked = False

    def stop(number: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        driver.stop()
        _write("stopping after this iteration; press Ctrl-C again to stop at once")

    with signal_handlers({signal.SIGINT: stop, signal.SIGTERM: stop}):
        yield


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt, as Ctrl-C does."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    with signal_handlers({signal.SIGTERM: interrupt}):
        yield


@contextmanager
def ignoring_signals() -> Iterator[None]:
    """Ignore SIGINT and SIGTERM while the picture is saved."""

    def ignore(number: int, frame: object) -> None:
        _write("saving the picture, please wait")

    with signal_handlers({signal.SIGINT: ignore, signal.SIGTERM: ignore}):
        yield


def _write(text: str) -> None:
    # The signal may interrupt a write to standard error, which is not reentrant; or standard error is closed.
    with suppress(RuntimeError, OSError, ValueError, AttributeError):
        sys.stderr.write(f"impasto: {text}\n")


@contextmanager
def signal_handlers(handlers: Mapping[int, Callable[[int, Any], None]]) -> Iterator[None]:
    """Install signal handlers, and restore the previous ones at the end of the block."""
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
