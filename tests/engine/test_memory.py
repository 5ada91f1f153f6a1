"""Free memory goes back to the system, and every tile still comes, in order."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import psutil
import pytest
import torch

from impasto.engine import memory as heap
from impasto.engine.tiling.tiles import cut


@pytest.fixture
def fresh() -> Iterator[None]:
    heap._trim.cache_clear()
    yield
    heap._trim.cache_clear()


@pytest.mark.skipif(heap._trim() is None, reason="the C library has no malloc_trim")
def test_what_lies_free_between_blocks_in_use_is_given_back() -> None:
    blocks = [torch.ones(16 << 10) for _ in range(2000)]  # of 64 kB: larger ones may lie outside the heap
    held = blocks[::2]
    del blocks
    before = psutil.Process().memory_info().rss
    heap.release_free_memory()
    after = psutil.Process().memory_info().rss
    assert before - after > 500 * (64 << 10)
    assert all(float(each[-1]) == 1.0 for each in held)


def test_without_such_a_c_library_nothing_is_done(monkeypatch: pytest.MonkeyPatch, fresh: None) -> None:
    asked: list[str | None] = []
    monkeypatch.setattr(ctypes, "CDLL", lambda name: asked.append(name) or object())
    heap.release_free_memory()
    heap.release_free_memory()
    assert len(asked) <= 1
    assert heap._trim() is None


def test_tiles_come_in_order_and_memory_is_given_back_after_each_of_several(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[int] = []
    monkeypatch.setattr(heap, "release_free_memory", lambda: given.append(len(seen)))
    tiles = cut((96, 64), 32, reach=4, stride=16)
    seen: list[object] = []
    for tile in heap.iterate_tiles(tiles):
        seen.append(tile)
    assert seen == tiles
    assert given == list(range(1, len(tiles) + 1))
    given.clear()
    whole = cut((96, 64), 0, reach=4, stride=16)
    assert list(heap.iterate_tiles(whole)) == whole
    assert given == []
