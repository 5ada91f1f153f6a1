"""Networks that are run in strips, and the fallback to smaller tiles when a GPU runs out of memory."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from impasto.encoders.streaming import Tape

_SMALLEST_TILE = 128  # pixels; smaller tiles would consist mostly of margin

Result = TypeVar("Result")


class StreamedNetwork(Protocol):
    """A network that is run forward and backward in strips (see :class:`impasto.encoders.streaming.Stream`)."""

    @property
    def reach(self) -> int: ...

    @property
    def deepest_stride(self) -> int: ...

    def stride(self, layer: str) -> int: ...

    def forward(
        self, image: Tensor, observe: Callable[[str, Tensor, int], None], *, for_backward: bool = False
    ) -> Tape: ...

    def backward(self, tape: Tape, inject: Callable[[str, Tensor, int, Tensor | None], Tensor]) -> Tensor: ...


class StreamableEncoder(Protocol):
    """An encoder that can be run in strips."""

    def stream(self, layers: Collection[str]) -> StreamedNetwork: ...


def retry_with_smaller_tiles(work: Callable[[int], Result], side: int, picture: Tensor) -> tuple[Result, int]:
    """Call ``work`` with a tile side; halve the side while a GPU runs out of memory.

    Args:
        work: called with the tile side in pixels.
        side: the tile side to try first; 0 for no tiling.
        picture: the picture that is tiled.

    Returns:
        the result of ``work``, and the side that it succeeded with.

    Raises:
        torch.OutOfMemoryError: the memory does not suffice even for tiles of 128 to 255 pixels.
    """
    while True:
        try:
            return work(side), side
        except torch.OutOfMemoryError:
            side = (side or max(picture.shape[-2:])) // 2
            if side < _SMALLEST_TILE:
                raise
        torch.cuda.empty_cache()
