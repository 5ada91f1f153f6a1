"""The loop over a painting's steps: the one that every caller drives, and that others command while it runs."""

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
    """What is driven: a :class:`impasto.transfer.painting.Painting`, or a recording of one in a run's folder."""

    def __iter__(self) -> Iterator[Step]: ...

    def change(self, **settings: Any) -> Mapping[str, Any]: ...

    def undo(self, to: int | None = None) -> int: ...


class Driver:
    """Iterates over the steps, and between two of them does what was asked for.

    One thread iterates. Any thread may call :meth:`stop`, :meth:`pause`, :meth:`go_on`, :meth:`change`, :meth:`undo`
    and :meth:`preview`; what they return is ready once the iterating thread has come to it, and cancelled when the
    painting ends before.

    Attributes:
        last: the newest step.
        notes: of all steps so far.
        stopped: whether :meth:`stop` ended it.

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
            self._obey()  # cancels what nobody will come to

    @property
    def newest(self) -> Step:
        """The newest step, of a painting that has one."""
        if self.last is None:
            raise TypeError("a painting without steps")
        return self.last

    def stop(self) -> Future[None]:
        """End after the step under way."""

        def stop() -> None:
            self.stopped = True

        return self._ask(stop)

    def pause(self) -> Future[None]:
        """Wait after the step under way, until :meth:`go_on` or :meth:`stop`; commands are obeyed meanwhile."""

        def pause() -> None:
            self._paused = True

        return self._ask(pause)

    def go_on(self) -> Future[None]:
        """End a pause."""

        def go_on() -> None:
            self._paused = False

        return self._ask(go_on)

    def change(self, **settings: Any) -> Future[Mapping[str, Any]]:
        """:meth:`impasto.transfer.painting.Painting.change`; its errors are the future's."""
        return self._ask(lambda: self._driven.change(**settings))

    def undo(self, to: int | None = None) -> Future[int]:
        """:meth:`impasto.transfer.painting.Painting.undo`; its errors are the future's."""
        return self._ask(lambda: self._driven.undo(to))

    def preview(self, side: int) -> Future[Tensor]:
        """The picture after the step under way, finished, (1, 3, H, W) in [0, 1], its long side at most ``side``."""

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
        if self._ended:  # perhaps between its last look and now
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
