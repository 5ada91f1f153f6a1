"""Patches against a slow twin, their laws, and how far apart they are taken."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from impasto.losses.patches import Patches
from tests.losses.features import features

LOSS = Patches()


def _between(f: Tensor, a: Tensor, loss: Patches = LOSS) -> Tensor:
    return loss(f, loss.make_target(a), 0)


def _cut(x: Tensor, stride: int = 1) -> list[Tensor]:
    height, width = x.shape[-2:]
    return [
        x[:, top : top + 3, left : left + 3].flatten()
        for top, left in itertools.product(range(0, height - 2, stride), range(0, width - 2, stride))
    ]


def test_it_is_its_formula() -> None:
    f, a = features(2, 3, 5, 6), features(1, 3, 6, 4, seed=1)
    targets = _cut(a[0])
    energy = sum(float(t @ t) for t in targets) / len(targets)
    for n in range(2):
        patches, total = _cut(f[n]), 0.0
        for p in patches:
            best = max(targets, key=lambda t, p=p: float(p @ t / (p.norm() * t.norm())))  # type: ignore[misc]
            total += float(((p - best) ** 2).sum())
        assert float(_between(f, a)[n]) == pytest.approx(total / len(patches) / energy, rel=1e-10)


def test_gradient() -> None:
    a = features(1, 2, 5, 5, seed=1)
    assert gradcheck(lambda f: _between(f, a), (features(1, 2, 4, 5).requires_grad_(),))
    few = Patches(max_patches=3)
    a = features(1, 2, 14, 15, seed=1)
    assert few.spacing(14, 15)[0] > 1
    assert gradcheck(lambda f: _between(f, a, few), (features(1, 2, 12, 11).requires_grad_(),))


def test_it_is_zero_where_every_patch_is_the_styles_and_positive_otherwise() -> None:
    a = features(1, 3, 8, 8)
    assert float(_between(a, a)) == 0.0
    assert float(_between(a[..., 2:7, 1:6], a)) == 0.0
    # The halves of the style, in the other order: only the patches across the seam are new.
    swapped = a.roll(4, -1)
    assert 0.0 < float(_between(swapped, a)) < 0.5 * float(_between(features(1, 3, 8, 8, seed=1), a))


@pytest.mark.parametrize("size", [(3, 3), (48, 64), (64, 64), (96, 128), (192, 256), (512, 384), (3, 20_000)])
def test_no_more_patches_than_allowed_and_no_pixel_left_out(size: tuple[int, int]) -> None:
    loss = Patches(max_patches=1000)
    averaged, stride = loss.spacing(*size)
    assert stride <= 3 or averaged == min(size) // 3  # a map with no more to average
    patches = loss.make_target(torch.zeros(1, 1, *size)).shape[1]
    assert patches <= 1000
    assert patches > 300 or (averaged, stride) == (1, 1)


def test_the_papers_every_second() -> None:
    loss = Patches(max_patches=1000)
    assert loss.spacing(33, 33) == (1, 1)
    assert loss.spacing(60, 60) == (1, 2)
    assert loss.spacing(90, 90) == (1, 3)
    assert loss.spacing(120, 120)[0] == 2
    every_second = _cut(features(3, 60, 60), 2)
    torch.testing.assert_close(loss.make_target(features(1, 3, 60, 60))[0], torch.stack(every_second))


def test_low_precision_features_are_compared_in_float32() -> None:
    f, a = features(1, 8, 16, 16).bfloat16(), features(1, 8, 16, 16, seed=1).bfloat16()
    found = _between(f, a)
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(float(_between(f.double(), a.double())), rel=0.01)
