from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared material beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / ".." / "shared"
    if not folder.is_dir():
        pytest.skip("the folder ../shared is not here")
    return folder
