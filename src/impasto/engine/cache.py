"""What took long to compute and is asked for again: kept, up to so many bytes, until something newer needs the room.

Pictures painted one after another often share a style, or a photograph, at the same sizes. What a picture is compared
with depends on nothing else, so it need be computed only once.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

from torch import Tensor

T = TypeVar("T")


class LRUCache:
    """Values by key, the most recently used ones, within a limit.

    Args:
        limit: bytes; what is larger by itself is handed over, and not kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._values: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """The value of ``key``, made if it is not here. Nobody may change it in place.

        Args:
            key: all that the value depends on.
            make: computes it.
            size: its bytes.
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
    """Of a picture's values, shape and type: what tells it from any other, wherever it came from."""
    hashed = hashlib.blake2b(f"{tuple(picture.shape)} {picture.dtype}".encode(), digest_size=16)
    hashed.update(picture.detach().cpu().contiguous().numpy().data)
    return hashed.hexdigest()
