"""Networks in pieces, and what is done where even the pieces are too large for a GPU."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from impasto.encoders.streaming import Tape

_SMALLEST_TILE = 128  # smaller ones would be little but margin

Result = TypeVar("Result")


class Pieces(Protocol):
    """A network forward and backward in pieces (see :class:`impasto.encoders.streaming.Stream`)."""

    @property
    def reach(self) -> int: ...

    @property
    def deepest_stride(self) -> int: ...

    def stride(self, layer: str) -> int: ...

    def forward(
        self, image: Tensor, observe: Callable[[str, Tensor, int], None], *, way_back: bool = False
    ) -> Tape: ...

    def backward(self, tape: Tape, inject: Callable[[str, Tensor, int, Tensor | None], Tensor]) -> Tensor: ...


class Streaming(Protocol):
    """An encoder that can be run in pieces."""

    def stream(self, layers: Collection[str]) -> Pieces: ...


def fitting(work: Callable[[int], Result], side: int, picture: Tensor) -> tuple[Result, int]:
    """``work`` with tiles of that side, or of smaller ones where a GPU's memory does not suffice."""
    while True:
        try:
            return work(side), side
        except torch.OutOfMemoryError:
            side = (side or max(picture.shape[-2:])) // 2
            if side < _SMALLEST_TILE:
                raise
        torch.cuda.empty_cache()
