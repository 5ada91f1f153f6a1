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

A message is one line: the subject, then "expected …, got …". Only ``impasto.apps`` converts exceptions to exit codes.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class ImpastoError(Exception):
    """Base class of all exceptions that impasto raises deliberately."""


class InputError(ImpastoError):
    """An input cannot be used."""


class ImageError(InputError):
    """A picture that is unreadable, too large or too small."""


class ParameterError(InputError):
    """A value out of range, an unknown name, or options that do not fit together.

    Attributes:
        field: the invalid setting, where the error concerns a single one; a form can show the message beside it.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class WeightsError(InputError):
    """Network weights that are damaged, of the wrong shape or unavailable."""


class MissingExtraError(InputError):
    """An optional package that is needed is not installed."""

    def __init__(self, what: str, *, extra: str) -> None:
        super().__init__(f"{what} needs an optional package: pip install 'impasto[{extra}]'")
        self.extra = extra


class OutputError(ImpastoError):
    """The result cannot be written."""


class DivergedError(ImpastoError):
    """The loss became NaN, and restarting the optimiser did not help."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ParameterError:
    """The error for an unknown name; its message lists the known names and suggests a similar one."""
    names = list(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return ParameterError(f"{kind}: unknown name {name!r}{hint} (known: {', '.join(names)})")
