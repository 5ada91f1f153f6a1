"""The loop over a painting's steps. Every caller runs this one loop, and other threads may command it."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from torch import Tensor

from impasto.engine.step import Step
from impasto.geometry import fit, resize, size_of

T = TypeVar("T")


class Driven(Protocol):
    """A :class:`impasto.transfer.painting.Painting`, or the recording of one in a run's folder."""

    def __iter__(self) -> Iterator[Step]: ...

    def change(self, **settings: Any) -> Mapping[str, Any]: ...

    def undo(self, to: int | None = None) -> int: ...


class Driver:
    """Iterates over the steps, and carries out commands between two steps.

    One thread iterates. Any thread may call :meth:`stop`, :meth:`pause`, :meth:`go_on`, :meth:`change`, :meth:`undo`
    and :meth:`preview`. Each returns a future. The iterating thread completes the future after the current step; the
    future is cancelled if the painting ends first.

    Attributes:
        last: the newest step.
        notes: of all steps so far.
        stopped: whether :meth:`stop` ended the loop.

    Example:
        >>> driver = Driver(impasto.iterate("photo.jpg", "painting.jpg"))  # doctest: +SKIP
        >>> threading.Timer(10.0, driver.stop).start()  # doctest: +SKIP
        >>> for step in driver:  # doctest: +SKIP
        ...     print(step.done, step.loss)
    """

    def __init__(self, driven: Driven) -> None:
        self._driven = driven
        self.last: Step | None = None
        self.notes: list[str] = []
        self.stopped = False
        self._paused = self._ended = False
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def __iter__(self) -> Iterator[Step]:
        steps = iter(self._driven)
        try:
            while not self.stopped and (step := next(steps, None)) is not None:
                self.last = step
                self.notes += step.notes
                yield step
                self._obey()
        finally:
            self._ended = True
            self._obey()  # cancels the commands that came too late

    @property
    def newest(self) -> Step:
        """The newest step.

        Raises:
            TypeError: there has been none.
        """
        if self.last is None:
            raise TypeError("a painting without steps")
        return self.last

    def stop(self) -> Future[None]:
        """End the loop after the current step."""

        def stop() -> None:
            self.stopped = True

        return self._ask(stop)

    def pause(self) -> Future[None]:
        """Wait after the current step until :meth:`go_on` or :meth:`stop`. Other commands are still carried out."""

        def pause() -> None:
            self._paused = True

        return self._ask(pause)

    def go_on(self) -> Future[None]:
        """End a pause."""

        def go_on() -> None:
            self._paused = False

        return self._ask(go_on)

    def change(self, **settings: Any) -> Future[Mapping[str, Any]]:
        """Call :meth:`impasto.transfer.painting.Painting.change`; the future has its result or its error."""
        return self._ask(lambda: self._driven.change(**settings))

    def undo(self, to: int | None = None) -> Future[int]:
        """Call :meth:`impasto.transfer.painting.Painting.undo`; the future has its result or its error."""
        return self._ask(lambda: self._driven.undo(to))

    def preview(self, side: int) -> Future[Tensor]:
        """The finished picture after the current step, (1, 3, H, W) in [0, 1], its long side at most ``side``."""

        def preview() -> Tensor:
            image = self.newest.image
            return resize(image, fit(size_of(image), side, enlarge=False)).clamp_(0.0, 1.0).cpu()

        return self._ask(preview)

    def _ask(self, command: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()

        def obey() -> None:
            if self._ended or not future.set_running_or_notify_cancel():
                future.cancel()
                return
            try:
                future.set_result(command())
            except Exception as error:
                future.set_exception(error)

        self._commands.put(obey)
        if self._ended:  # perhaps since the loop last looked for commands
            self._obey()
        return future

    def _obey(self) -> None:
        while True:
            waits = self._paused and not self.stopped and not self._ended
            try:
                command = self._commands.get(block=waits)
            except queue.Empty:
                return
            command()
