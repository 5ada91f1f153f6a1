"""Memory for feature maps, kept between evaluations: the system's fresh pages cost as much as what is done in them.

A map of 50 MB is handed out by the system page by page, each cleared when first written to, which took half of the
time of a convolution with 64 channels (docs/log.md). Here a block comes back when the last view of its tensor is
gone, and the next map that fits it is given the same pages.
"""

from __future__ import annotations

import mmap
import sys
import weakref
from collections import defaultdict, deque
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

_SMALLEST = 1 << 20  # bytes; below it the C library's own memory serves as well

# Bytes -> blocks that nobody uses. Appending and popping are atomic, so that a tensor may die in any thread, even
# while another is made.
_free: defaultdict[int, deque[mmap.mmap]] = defaultdict(deque)


def empty_maps(shape: tuple[int, int, int, int]) -> Tensor:
    """An uninitialised float32 tensor (N, C, H, W) on the processor, channels last."""
    n, c, h, w = shape
    size = 4 * n * c * h * w
    if size < _SMALLEST:
        return torch.empty(shape, memory_format=torch.channels_last)
    # In steps of a sixteenth to an eighth of the size, so that the strips of a picture share blocks.
    step = max(mmap.PAGESIZE, 1 << (size.bit_length() - 4))
    size = -(-size // step) * step
    block = _waiting(size) or _fresh(size)
    values = np.frombuffer(block, np.float32, n * h * w * c).reshape(n, h, w, c)
    weakref.finalize(values, _free[len(block)].append, block).atexit = False
    return torch.from_numpy(values).permute(0, 3, 1, 2)


def _waiting(size: int) -> mmap.mmap | None:
    """The smallest block that nobody uses of so many bytes, or up to twice as many."""
    for fits in sorted(each for each in [*_free] if size <= each <= 2 * size):
        try:
            return _free[fits].pop()
        except IndexError:
            continue
    return None


def release() -> None:
    """Gives what is free back to the system."""
    _free.clear()


if sys.platform == "win32":

    def _fresh(size: int) -> mmap.mmap:
        return mmap.mmap(-1, size)

else:

    def _fresh(size: int) -> mmap.mmap:
        block = mmap.mmap(
            -1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        )  # a forked process has its own
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with suppress(OSError):  # a kernel may have none
                block.madvise(mmap.MADV_HUGEPAGE)
        return block
