"""The engine where torch has less than on most machines: no oneDNN, as on a Mac, and several threads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from impasto import processor as module
from impasto.encoders.vgg import VGG
from impasto.encoders.weights import Convolutions
from impasto.engine.evaluation import Evaluation, autograd_evaluation
from impasto.engine.tiling.gradient import tiled
from impasto.losses.content import share
from impasto.losses.gram import Gram
from impasto.losses.objective import ContentTerm, StyleTerm

pytestmark = pytest.mark.processor

OBJECTIVE = (
    ContentTerm("relu4_2", share, 1.0),
    *(StyleTerm(f"relu{block}_1", Gram(reduce="share"), 0.3, f"relu{block}_1") for block in (1, 3, 5)),
)


@pytest.fixture
def no_onednn(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """torch as it is built for Macs."""
    module._computes_bfloat16.cache_clear()
    monkeypatch.setattr(torch._C, "_has_mkldnn", False)
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)  # torch.backends.mkldnn.flags warns of what it sets besides
    yield
    torch._C._set_mkldnn_enabled(before)
    monkeypatch.undo()
    module._computes_bfloat16.cache_clear()


def _pictures() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(1, 3, 56, 72, generator=generator) for _ in range(3)]


def _evaluated(network: VGG) -> Evaluation:
    content, style, x = _pictures()
    return tiled(network, OBJECTIVE, [1.0], tile=48)(lambda: content, [lambda: style])(x)


@pytest.fixture(scope="module")
def exact(convolutions: Convolutions) -> Evaluation:
    """In float64, by autograd."""
    content, style, x = (each.double() for each in _pictures())
    network = VGG(convolutions).to(dtype=torch.float64)
    return autograd_evaluation(network, OBJECTIVE, [1.0])(lambda: content, [lambda: style])(x)


def _check(found: Evaluation, exact: Evaluation) -> None:
    assert found.loss == pytest.approx(exact.loss, rel=1e-5)
    off = (found.gradient - exact.gradient).norm() / exact.gradient.norm()
    assert float(off) < 1e-3


def test_without_onednn(convolutions: Convolutions, exact: Evaluation, no_onednn: None) -> None:
    assert not module.processor().bfloat16
    _check(_evaluated(VGG(convolutions).to(dtype=torch.float32)), exact)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_threads(convolutions: Convolutions, exact: Evaluation, threads: int) -> None:
    """Also more than there are cores."""
    network, before = VGG(convolutions).to(dtype=torch.float32), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = _evaluated(network)
    finally:
        torch.set_num_threads(before)
    _check(found, exact)
