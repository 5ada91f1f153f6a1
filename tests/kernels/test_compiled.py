"""The kernels of this machine are there, and only those that it may use."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from impasto.kernels import compiled as module
from impasto.kernels.build import FOLDER, TARGETS, here
from impasto.kernels.compiled import Library, libraries, library
from impasto.kernels.winograd import Winograd

pytestmark = pytest.mark.processor


def test_an_installation_has_the_kernels_of_its_machine() -> None:
    if not here():
        pytest.skip("no kernels for this system")
    assert all((FOLDER / target.file).exists() for target in here()), "install the package, to compile them"


def test_targets_have_names_of_their_own() -> None:
    assert len({target.file for target in TARGETS}) == len(TARGETS)


@pytest.mark.parametrize(("capability", "extensions"), [("default", []), ("avx2", ["avx2"])])
def test_an_older_processor_is_given_no_newer_kernels(capability: str, extensions: list[str]) -> None:
    if not any(target.extension == "avx2" for target in here()):
        pytest.skip("no x86 processor")
    command = (
        "from impasto.kernels.compiled import libraries; print([each.extension for each in libraries()])"
    )
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": capability}
    done = subprocess.run(
        [sys.executable, "-c", command], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(extensions)


def test_a_library_that_cannot_be_loaded_is_as_if_it_were_not_there(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    for target in here():
        (module.FOLDER / target.file).write_bytes(b"no library")
    module._all.cache_clear()
    try:
        assert libraries() == ()
        assert library() is None
    finally:
        module._all.cache_clear()


def test_without_openmp_threads_of_its_own_find_the_same(
    narrowest: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 64, 40, 40).contiguous(memory_format=torch.channels_last)
    convolve = Winograd(torch.randn(64, 64, 3, 3), 4, narrowest)
    with_openmp = convolve(x, None, (1, 1, 1, 1))
    monkeypatch.setattr(module, "_openmp", lambda: None)
    assert torch.equal(convolve(x, None, (1, 1, 1, 1)), with_openmp)


def test_several_threads_may_ask_at_once(narrowest: Library) -> None:
    torch.manual_seed(0)
    x = torch.randn(8, 1, 64, 30, 40)
    convolve = Winograd(torch.randn(64, 64, 3, 3), 6, narrowest)
    pictures = [each.contiguous(memory_format=torch.channels_last) for each in x]
    expected = [convolve(each, None, (1, 1, 1, 1)) for each in pictures]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda each: convolve(each, None, (1, 1, 1, 1)), pictures * 5))
    assert all(torch.equal(one, other) for one, other in zip(found, expected * 5, strict=True))
