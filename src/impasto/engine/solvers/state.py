"""The state that a painting resumes from: tensors, some of which may be read only in chunks.

The curvature pairs that L-BFGS stores for a large picture take gigabytes, in bands or in a temporary file. Code that
saves or restores them works on one chunk at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import torch
from torch import Tensor


class Chunked(Protocol):
    """A tensor that is not in memory as one block, read by flat slices in row-major order."""

    @property
    def shape(self) -> torch.Size: ...

    @property
    def dtype(self) -> torch.dtype: ...

    def chunks(self) -> Iterator[slice]:
        """The slices that can be read; in order, they cover the tensor."""
        ...

    def __getitem__(self, chunk: slice, /) -> Tensor:
        """The values of one chunk, (values,)."""
        ...


State = Mapping[str, Tensor | Chunked]


def clone(value: Tensor | Chunked) -> Tensor:
    """A copy as one tensor."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    copy = torch.empty(value.shape, dtype=value.dtype)
    flat = copy.view(-1)
    for chunk in value.chunks():
        flat[chunk] = value[chunk]
    return copy


def flat(value: Tensor | Chunked) -> Tensor | Chunked:
    """A view that flat slices can be read from."""
    return value.detach().contiguous().view(-1) if isinstance(value, Tensor) else value
