"""Ctrl-C and polite kills: nothing that was painted is lost to them."""

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
    """Ctrl-C, or a polite kill, ends painting after the iteration under way; a second one ends it at once."""
    asked = False

    def stop(number: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        driver.stop()
        _say("stopping after this iteration; once more, and it stops at once")

    with handling({signal.SIGINT: stop, signal.SIGTERM: stop}):
        yield


@contextmanager
def interruptible() -> Iterator[None]:
    """A polite kill is as Ctrl-C."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    with handling({signal.SIGTERM: interrupt}):
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """A second Ctrl-C, out of impatience, does not lose what the first one saves."""

    def ignore(number: int, frame: object) -> None:
        _say("saving the picture, one moment")

    with handling({signal.SIGINT: ignore, signal.SIGTERM: ignore}):
        yield


def _say(text: str) -> None:
    # The signal may have come while standard error was written to, which allows no second writer; or it is closed.
    with suppress(RuntimeError, OSError, ValueError, AttributeError):
        sys.stderr.write(f"impasto: {text}\n")


@contextmanager
def handling(handlers: Mapping[int, Callable[[int, Any], None]]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
