"""Each of the libraries that this processor can run."""

from __future__ import annotations

import pytest

from impasto.kernels.compiled import Library, libraries


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "own" in metafunc.fixturenames:
        found = libraries()
        skip = pytest.param(None, marks=pytest.mark.skip(reason="no kernels for this processor"), id="none")
        metafunc.parametrize("own", [pytest.param(each, id=each.extension) for each in found] or [skip])


@pytest.fixture
def narrowest() -> Library:
    """One library, for what does not depend on which."""
    found = libraries()
    if not found:
        pytest.skip("no kernels for this processor")
    return found[-1]
