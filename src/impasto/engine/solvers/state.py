"""What a painting is gone on with from: tensors, and one that may be too large to be had whole.

What L-BFGS remembers of a large picture is gigabytes, in bands or in a temporary file. Whoever writes it down, and
whoever reads it back, takes it a chunk at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import torch
from torch import Tensor


class Chunked(Protocol):
    """A tensor that is not in memory as a whole, as flat stretches of it in row-major order."""

    @property
    def shape(self) -> torch.Size: ...

    @property
    def dtype(self) -> torch.dtype: ...

    def chunks(self) -> Iterator[slice]:
        """Stretches that can be had, covering it in order."""
        ...

    def __getitem__(self, stretch: slice, /) -> Tensor:
        """The values of one stretch, (values,)."""
        ...


State = Mapping[str, Tensor | Chunked]


def clone(value: Tensor | Chunked) -> Tensor:
    """A tensor of the caller's own, whole."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    whole = torch.empty(value.shape, dtype=value.dtype)
    flat = whole.view(-1)
    for chunk in value.chunks():
        flat[chunk] = value[chunk]
    return whole


def flat(value: Tensor | Chunked) -> Tensor | Chunked:
    """What flat stretches can be taken of."""
    return value.detach().contiguous().view(-1) if isinstance(value, Tensor) else value
