"""Stops by signal: SIGINT (Ctrl-C), SIGTERM, SIGHUP (a closed terminal). A stopped run loses no iteration.

A stopped command ends with the exit code 128 + the signal's number: 130, 143, 129.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from impasto.transfer.driver import Driver

STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopped(KeyboardInterrupt):
    """A signal that stops the command.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def exit_code(stopped: KeyboardInterrupt | int) -> int:
    """The exit code of a command that an exception or a signal of that number stopped."""
    number = stopped if isinstance(stopped, int) else getattr(stopped, "number", signal.SIGINT)
    return 128 + number


@contextmanager
def stopping(driver: Driver) -> Iterator[list[int]]:
    """The first signal stops the driver after the current iteration; a second one raises :class:`Stopped`.

    Yields:
        The numbers of the signals that have come.
    """
    came: list[int] = []

    def stop(number: int, frame: object) -> None:
        came.append(number)
        if len(came) > 1:
            raise Stopped(number)
        driver.stop()
        _write("stopping after this iteration; press Ctrl-C again to stop at once")

    with signal_handlers(dict.fromkeys(STOPS, stop)):
        yield came


@contextmanager
def interruptible() -> Iterator[None]:
    """Every signal that stops the command raises :class:`Stopped`."""

    def interrupt(number: int, frame: object) -> None:
        raise Stopped(number)

    with signal_handlers(dict.fromkeys(STOPS, interrupt)):
        yield


@contextmanager
def ignoring_signals() -> Iterator[None]:
    """Ignore the signals while the picture is saved."""

    def ignore(number: int, frame: object) -> None:
        _write("saving the picture, please wait")

    with signal_handlers(dict.fromkeys(STOPS, ignore)):
        yield


def _write(text: str) -> None:
    # The signal may interrupt a write to standard error, which is not reentrant; or standard error is closed.
    with suppress(RuntimeError, OSError, ValueError, AttributeError):
        sys.stderr.write(f"impasto: {text}\n")


@contextmanager
def signal_handlers(handlers: Mapping[int, Callable[[int, Any], None]]) -> Iterator[None]:
    """Install signal handlers, and restore the previous ones at the end of the block.

    A signal that is ignored stays ignored (nohup). Only the main thread can install handlers; in another thread the
    block runs without.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, handler)
        for number, handler in handlers.items()
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
