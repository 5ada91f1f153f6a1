"""Release of free memory to the system during a painting, against the heap fragmentation that tiles cause.

A C library's allocator retains freed memory between blocks in use. At 6000 pixels, in tiles of 1024, glibc retained
1.7 GB of 4 GB this way (docs/log.md). Where the C library cannot release it, only the package's own buffers are
freed.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterator, Sequence

from impasto.engine.tiling.tiles import Tile
from impasto.kernels.memory import release


def release_free_memory() -> None:
    """Return free memory to the system. About 50 ms for a gigabyte, which must be allocated again later."""
    release()
    if (trim := _trim()) is not None:
        trim(0)


def iterate_tiles(tiles: Sequence[Tile]) -> Iterator[Tile]:
    """Yield the tiles; after each one, if there are several, free memory is released to the system."""
    for tile in tiles:
        yield tile
        if len(tiles) > 1:
            release_free_memory()


@functools.cache
def _trim() -> Callable[[int], int] | None:
    """``malloc_trim`` of glibc, which since 2.8 releases every free page; None with another C library."""
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None
    return found
