"""What several tests share: the shared folder, the packaged network, and a tiny one."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.encoders.weights import Convolutions, load
from impasto.processor import processor

# Threads that wait for each other make pictures this small up to 30 times slower where others use the processor.
torch.set_num_threads(1)

ALL_MAY = not hasattr(os, "geteuid") or os.geteuid() == 0
"""Whether no file can be one that this process may not read or write."""

BFLOAT16 = pytest.mark.skipif(not processor().bfloat16, reason="this processor has no bfloat16")
"""For what is computed in it. What is chosen where there is none, any machine can test (acting_as)."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="write tests/test_pictures_unchanged.json anew")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is downloaded or measured into the user's own cache, nor read from there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMPASTO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    folder = Path(__file__).resolve().parents[1].parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder ../shared is not here")
    return folder


@pytest.fixture(scope="session")
def convolutions() -> Convolutions:
    """The packaged VGG19."""
    return load("vgg19")


class TinyNetwork:
    """Two convolutions and a pooling, in float64: an encoder for laws that do not depend on the network."""

    layers = ("relu1", "relu2")

    def __init__(self, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self._first = torch.randn(4, 3, 3, 3, generator=generator).double() * 0.5
        self._second = torch.randn(5, 4, 3, 3, generator=generator).double() * 0.3

    def __call__(self, image: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        relu1 = F.relu(F.conv2d(image.double(), self._first, padding=1))
        relu2 = F.relu(F.conv2d(F.avg_pool2d(relu1, 2), self._second, padding=1))
        return {name: value for name, value in (("relu1", relu1), ("relu2", relu2)) if name in layers}


@pytest.fixture
def network() -> TinyNetwork:
    return TinyNetwork()
