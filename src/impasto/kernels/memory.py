"""A memory pool for feature maps: page faults in newly allocated memory cost as much as the computation.

The operating system allocates a map of 50 MB page by page, and clears each page at its first write. This took half of
the time of a convolution with 64 channels (docs/log.md). The pool reuses pages: a block returns to the pool when the
last view of its tensor is deleted, and the next map that fits gets it.
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

_SMALLEST = 1 << 20  # bytes; smaller tensors gain nothing over the C library's allocator

# Size in bytes -> free blocks. Append and pop are atomic, so a tensor may be deleted in any thread, even while
# another is allocated.
_free: defaultdict[int, deque[mmap.mmap]] = defaultdict(deque)


def empty_maps(shape: tuple[int, int, int, int]) -> Tensor:
    """An uninitialised float32 tensor (N, C, H, W) on the CPU, channels last."""
    n, c, h, w = shape
    size = 4 * n * c * h * w
    if size < _SMALLEST:
        return torch.empty(shape, memory_format=torch.channels_last)
    # Sizes are rounded up to steps of 1/16 to 1/8 of the size, so that the strips of a picture share blocks.
    step = max(mmap.PAGESIZE, 1 << (size.bit_length() - 4))
    size = -(-size // step) * step
    block = _reused(size) or _allocated(size)
    values = np.frombuffer(block, np.float32, n * h * w * c).reshape(n, h, w, c)
    weakref.finalize(values, _free[len(block)].append, block).atexit = False
    return torch.from_numpy(values).permute(0, 3, 1, 2)


def _reused(size: int) -> mmap.mmap | None:
    """The smallest free block of ``size`` to 2 ``size`` bytes; None if there is none."""
    for fits in sorted(each for each in [*_free] if size <= each <= 2 * size):
        try:
            return _free[fits].pop()
        except IndexError:
            continue
    return None


def release() -> None:
    """Return the free blocks to the system."""
    _free.clear()


if sys.platform == "win32":

    def _allocated(size: int) -> mmap.mmap:
        return mmap.mmap(-1, size)

else:

    def _allocated(size: int) -> mmap.mmap:
        block = mmap.mmap(
            -1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        )  # private, so that a forked process gets its own copy
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with suppress(OSError):  # an operating system kernel may not support huge pages
                block.madvise(mmap.MADV_HUGEPAGE)
        return block
