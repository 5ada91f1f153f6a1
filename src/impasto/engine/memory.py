"""Free memory, given back while painting: a C library keeps what is freed between blocks in use, and tiles make many.

At 6000 pixels, in tiles of 1024, glibc held 1.7 GB of 4 GB so (docs/log.md). Where the C library cannot be asked to
give it back nothing is done.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterator, Sequence

from impasto.engine.tiling.tiles import Tile
from impasto.kernels.memory import release


def release_free_memory() -> None:
    """What is free goes back to the system. Some 50 ms where it is a gigabyte, and it has to be fetched again."""
    release()
    if (trim := _trim()) is not None:
        trim(0)


def one_by_one(tiles: Sequence[Tile]) -> Iterator[Tile]:
    """Tiles to be worked at in turn; what was held for each is given back after it."""
    for tile in tiles:
        yield tile
        if len(tiles) > 1:
            release_free_memory()


@functools.cache
def _trim() -> Callable[[int], int] | None:
    """``malloc_trim`` of glibc, which since 2.8 gives back every free page."""
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None
    return found
