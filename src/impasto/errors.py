"""The hierarchy of impasto's exceptions.

::

    ImpastoError
    ├── InputError            an input cannot be used; the command exits with code 2
    │   ├── ImageError        a picture that is unreadable, too large or too small
    │   ├── ParameterError    a value out of range, an unknown name, options that do not fit together
    │   ├── WeightsError      network weights that are damaged, of the wrong shape or unavailable
    │   └── MissingExtraError an optional package is not installed
    ├── OutputError           the result cannot be written; the command exits with code 1
    └── DivergedError         the loss became NaN, and restarting the optimiser did not help

A message is one line: the subject, then "expected …, got …". A command that helps is an attribute beside it. Only
``impasto.apps`` converts exceptions to exit codes.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import partial
from typing import Any


class ImpastoError(Exception):
    """Base class of all exceptions that impasto raises deliberately.

    Attributes:
        command: a command to type next, such as ``impasto resume run1``; the command line prints it on a line of its
            own, so that it can be copied.
    """

    def __init__(self, message: str = "", *, command: str | None = None) -> None:
        super().__init__(message)
        self.command = command

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} {self.command}" if self.command else message


class InputError(ImpastoError):
    """An input cannot be used."""


class ImageError(InputError):
    """A picture that is unreadable, too large or too small."""


class ParameterError(InputError):
    """A value out of range, an unknown name, or options that do not fit together.

    Attributes:
        field: the invalid setting, where the error concerns a single one; a form can show the message beside it.
    """

    def __init__(self, message: str, *, field: str | None = None, command: str | None = None) -> None:
        super().__init__(message, command=command)
        self.field = field


class WeightsError(InputError):
    """Network weights that are damaged, of the wrong shape or unavailable."""


class MissingExtraError(InputError):
    """An optional package that is needed is not installed."""

    def __init__(self, what: str, *, extra: str) -> None:
        super().__init__(f"{what} needs an optional package: pip install 'impasto[{extra}]'")
        self.what, self.extra = what, extra

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickle calls the class with the finished message alone, which a worker's error could not come through.
        return partial(type(self), self.what, extra=self.extra), (), self.__dict__


class OutputError(ImpastoError):
    """The result cannot be written."""


class DivergedError(ImpastoError):
    """The loss became NaN, and restarting the optimiser did not help."""


_FEW = 24


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ParameterError:
    """The error for a misspelt name: the nearest known names, or all of them where none is near and they are few."""
    names = list(known)
    near = [repr(each) for each in get_close_matches(name, names, n=3, cutoff=0.5)]
    if near:
        meant = " or ".join((", ".join(near[:-1]), near[-1])) if len(near) > 1 else near[0]
        return ParameterError(f"{kind}: unknown name {name!r}; did you mean {meant}?")
    known_names = f" (known: {', '.join(names)})" if len(names) <= _FEW else ""
    return ParameterError(f"{kind}: unknown name {name!r}{known_names}")


def described(error: Exception) -> str:
    """An error in one line; the type of one that impasto did not raise deliberately comes first."""
    message = " ".join(str(error).split())
    return message if isinstance(error, ImpastoError) else f"{type(error).__name__}: {message}"
