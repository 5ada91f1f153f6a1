"""Whichever way is chosen, the convolution is the same; the choice is measured once."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from impasto.kernels import fastest as module
from impasto.kernels.fastest import Fastest, fastest, kernel_bytes, ways
from impasto.measured import answering
from impasto.processor import acting_as, processor

pytestmark = pytest.mark.processor

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("pad", [(1, 1, 1, 1), (1, 1, 0, 2), (2, 2, 2, 1)])
def test_every_way_is_the_convolution(dtype: torch.dtype, pad: tuple[int, int, int, int]) -> None:
    torch.manual_seed(0)
    kernel = torch.randn(128, 128, 3, 3, dtype=dtype).to(memory_format=torch.channels_last) / 34
    x, mask = torch.randn(2, 1, 128, 17, 14, dtype=dtype).to(dtype)
    x, mask = (each.contiguous(memory_format=torch.channels_last) for each in (x, mask))
    exact = F.conv2d(F.pad((x * (mask > 0)).double(), pad), kernel.double()).relu()
    found = ways(kernel)
    assert len(found) >= 1
    for name, prepare in found.items():
        ours = prepare()(x, None, pad, relu=True, mask=mask)
        assert float((ours - exact).norm() / exact.norm()) < 2e-5, name


def test_the_choice_is_measured_once_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    names = list(ways(torch.zeros(64, 64, 3, 3)))
    asked: list[str] = []

    def measured(question: str, measure: object, **_: object) -> str:
        asked.append(question)
        return names[0]

    monkeypatch.setattr(module, "measured", measured)
    convolve = Fastest(torch.randn(64, 64, 3, 3))
    for side in (96, 100, 97):
        convolve(
            torch.randn(1, 64, side, side).contiguous(memory_format=torch.channels_last), None, (1, 1, 1, 1)
        )
    assert len(asked) == (len(names) > 1)


@pytest.mark.parametrize("name", ["winograd-4", "winograd-6", "direct"])
def test_the_chosen_way_is_taken(name: str) -> None:
    kernel = torch.randn(64, 64, 3, 3)
    if name not in ways(kernel):
        pytest.skip(f"no {name} on this processor")
    x = torch.randn(1, 64, 96, 96).contiguous(memory_format=torch.channels_last)
    own = module.library()
    question = f"convolution 64 64 at 96 float32 {own.extension if own else 'torch'}"
    with answering({question: name}):
        assert fastest((64, 64), torch.float32, CPU, 96) == name
        assert torch.equal(
            Fastest(kernel)(x, None, (1, 1, 1, 1)), ways(kernel)[name]()(x, None, (1, 1, 1, 1))
        )


def test_other_types_and_devices_are_torch_s() -> None:
    assert list(ways(torch.zeros(64, 64, 3, 3, dtype=torch.float64))) == ["plain"]
    assert list(ways(torch.zeros(64, 64, 3, 3, device="meta"))) == ["plain"]


def test_bytes_of_kernels_grow_with_the_ways_used() -> None:
    small = kernel_bytes((64, 64), torch.float32, CPU, 64)
    large = kernel_bytes((64, 64), torch.float32, CPU, 2048)
    assert 9 * 64 * 64 * 4 <= small <= large <= (36 + 64 + 9) * 64 * 64 * 4


def test_without_bfloat16_torch_emulates_it() -> None:
    """It is refused before it comes to this, but the network can be used by itself."""
    torch.manual_seed(0)
    kernel = torch.randn(128, 128, 3, 3).bfloat16().to(memory_format=torch.channels_last) / 34
    x = torch.randn(1, 128, 9, 8).bfloat16().to(memory_format=torch.channels_last)
    with acting_as(replace(processor(), bfloat16=False)):
        assert list(ways(kernel)) == ["plain"]
        ours = Fastest(kernel)(x, None, (1, 1, 1, 1))
    exact = F.conv2d(x.double(), kernel.double(), padding=1)
    assert float((ours.double() - exact).norm() / exact.norm()) < 0.005


def test_measuring_draws_none_of_the_caller_s_random_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "measured", lambda question, measure, **_: measure())
    before = torch.random.get_rng_state()
    assert fastest((64, 64), torch.float32, CPU, 96) in ways(torch.zeros(64, 64, 3, 3))
    assert torch.equal(torch.random.get_rng_state(), before)
