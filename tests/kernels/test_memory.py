"""Memory for maps comes back when nobody looks at it any more, and never before."""

from __future__ import annotations

import gc

import pytest
import torch

from impasto.kernels.memory import empty_maps, release

pytestmark = pytest.mark.processor

SHAPE = (1, 64, 96, 96)


def test_is_a_tensor_like_any_other() -> None:
    for shape in (SHAPE, (2, 3, 1, 5)):
        found = empty_maps(shape)
        assert found.shape == shape
        assert found.dtype == torch.float32
        assert found.is_contiguous(memory_format=torch.channels_last)


def test_is_used_again_only_when_the_last_view_is_gone() -> None:
    release()
    gc.disable()  # it must not take the collector
    try:
        first = empty_maps(SHAPE).fill_(1.0)
        where, view = first.data_ptr(), first[:, 3:5]
        del first
        second = empty_maps(SHAPE).fill_(2.0)
        assert second.data_ptr() != where
        assert bool((view == 1.0).all())
        del view
        assert empty_maps(SHAPE).data_ptr() == where
    finally:
        gc.enable()


def test_what_is_released_is_not_used_again_and_what_is_in_use_stays() -> None:
    kept = empty_maps(SHAPE).fill_(3.0)
    empty_maps(SHAPE)
    release()
    empty_maps(SHAPE).fill_(4.0)
    assert bool((kept == 3.0).all())


def test_a_somewhat_larger_block_serves_as_well() -> None:
    release()
    where = empty_maps(SHAPE).data_ptr()
    assert empty_maps((1, 64, 80, 80)).data_ptr() == where
    assert empty_maps((1, 64, 40, 40)).data_ptr() != where
