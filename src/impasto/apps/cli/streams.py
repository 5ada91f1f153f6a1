"""Standard output and standard error that cannot end a command: missing, closed or full."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO


class _Forgiving:
    """A text stream that remembers the first error instead of raising it, and writes nothing after it.

    Attributes:
        error: the first error.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        self.attempt(lambda: self.stream.write(text))
        return len(text)

    def flush(self) -> None:
        self.attempt(self.stream.flush)

    @property
    def buffer(self) -> _Bytes:
        """The stream of bytes beneath."""
        return _Bytes(self)

    def attempt(self, act: Callable[[], object]) -> None:
        """Do something with the stream, unless it has failed before."""
        if self.error is not None:
            return
        try:
            act()
        except (OSError, ValueError) as error:  # ValueError: closed
            self.error = error if isinstance(error, OSError) else OSError(str(error))
            # What the stream's buffer still has would fail again when Python exits.
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.stream.fileno())
                os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _Bytes:
    """The bytes of a :class:`_Forgiving` stream."""

    def __init__(self, text: _Forgiving) -> None:
        self._text = text

    def write(self, data: bytes) -> int:
        self._text.flush()
        self._text.attempt(lambda: self._text.stream.buffer.write(data))
        return len(data)


@contextmanager
def forgiving_streams() -> Iterator[_Forgiving]:
    """Replace both streams in the block, where failures to write do not raise.

    Yields:
        Standard output.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except (
            OSError
        ):  # closed: else the first file that is opened would take the number, and what is written to it
            os.open(os.devnull, os.O_RDWR)
    before = sys.stdout, sys.stderr
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        out, err = (_Forgiving(nowhere if stream is None else stream) for stream in before)
        sys.stdout, sys.stderr = out, err
        try:
            yield out
        finally:
            sys.stdout, sys.stderr = before
