"""An LRU cache with a limit in bytes, for the targets of losses.

Consecutive paintings often share a style, or a photograph, at the same sizes. Targets depend on nothing else, so they
need to be computed only once.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

from torch import Tensor

T = TypeVar("T")


class LRUCache:
    """Values by key; the least recently used are evicted beyond a limit.

    Args:
        limit: bytes; a single value larger than that is returned but not cached.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._values: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """The value of ``key``, computed if it is not cached. Callers must not change it in place.

        Args:
            key: everything that the value depends on.
            make: computes the value.
            size: returns the value's size in bytes.
        """
        if key in self._values:
            self._values.move_to_end(key)
            return cast(T, self._values[key][0])
        value = make()
        taken = size(value)
        if taken <= self.limit:
            self._values[key] = (value, taken)
            self.bytes += taken
            while self.bytes > self.limit:
                _, (_, freed) = self._values.popitem(last=False)
                self.bytes -= freed
        return value


def digest(picture: Tensor) -> str:
    """A hash of a picture's values, shape and type: equal pictures have equal digests, whatever their source."""
    hashed = hashlib.blake2b(f"{tuple(picture.shape)} {picture.dtype}".encode(), digest_size=16)
    hashed.update(picture.detach().cpu().contiguous().numpy().data)
    return hashed.hexdigest()
