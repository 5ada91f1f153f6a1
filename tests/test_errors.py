"""Errors: one line, and the same after a journey between processes."""

from __future__ import annotations

import copy
import pickle

import pytest

from impasto import errors
from impasto.errors import ImpastoError, MissingExtraError, ParameterError, unknown_name


def _all(kind: type[ImpastoError]) -> list[type[ImpastoError]]:
    return [kind, *(found for each in kind.__subclasses__() for found in _all(each))]


MADE = [
    *(kind("what went wrong") for kind in _all(ImpastoError) if kind is not MissingExtraError),
    ParameterError("size: expected more", field="size"),
    MissingExtraError("photo.heic: HEIC", extra="heic"),
]


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_every_error_pickles_and_copies(error: ImpastoError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert again.__dict__ == error.__dict__


def test_every_error_is_tried() -> None:
    assert {type(each) for each in MADE} == set(_all(errors.ImpastoError))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("gatis", "; did you mean 'gatys'?"),
        ("gram-shares", "; did you mean 'gram-share', 'gram-sums' or 'gram'?"),
        ("xyz", " (known: gatys, gram, gram-share, gram-sums)"),
    ],
)
def test_unknown_names_show_the_nearest(name: str, hint: str) -> None:
    known = ("gatys", "gram", "gram-share", "gram-sums")
    assert str(unknown_name("preset", name, known)) == f"preset: unknown name {name!r}{hint}"
