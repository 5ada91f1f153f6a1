"""Everything impasto raises on purpose, in one tree.

::

    ImpastoError
    ├── InputError            what was given cannot be used; the command exits with code 2
    │   ├── ImageError        a picture that cannot be read, or is too large or too small
    │   ├── ParameterError    a value out of range, an unknown name, options that do not fit together
    │   ├── WeightsError      network weights that are damaged, of the wrong shape or not to be had
    │   └── MissingExtraError an optional package is needed that is not installed
    ├── OutputError           the result cannot be written; the command exits with code 1
    └── DivergedError         the optimisation cannot go on (not a number, and restarting did not help)

A message is one line: what and where, what was expected, what came.
Only ``impasto.apps`` turns these into exit codes.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class ImpastoError(Exception):
    """Root of all errors raised on purpose."""


class InputError(ImpastoError):
    """What was given cannot be used."""


class ImageError(InputError):
    """A picture that cannot be read, or is too large or too small."""


class ParameterError(InputError):
    """A value out of range, an unknown name, or options that do not fit together.

    Attributes:
        field: the setting that is wrong, where it is one; a form can show the message beside it.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class WeightsError(InputError):
    """Network weights that are damaged, of the wrong shape or not to be had."""


class MissingExtraError(InputError):
    """An optional package is needed that is not installed."""

    def __init__(self, what: str, *, extra: str) -> None:
        super().__init__(f"{what} needs an optional package: pip install 'impasto[{extra}]'")
        self.extra = extra


class OutputError(ImpastoError):
    """The result cannot be written."""


class DivergedError(ImpastoError):
    """The optimisation cannot go on."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ParameterError:
    """The error for a misspelt name: says what is known and, if one is near, which was meant."""
    names = list(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return ParameterError(f"{kind}: unknown name {name!r}{hint} (known: {', '.join(names)})")
