"""The caller's PyTorch modes: the computation is the same whatever they are, and they are as before after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")


@contextmanager
def own_modes() -> Iterator[None]:
    """Within the block, PyTorch has its initial modes: a context manager, or a decorator of functions.

    The caller may be in ``torch.inference_mode()``, ``torch.no_grad()`` or ``torch.autocast(…)``, or have set a
    default device or a default dtype. All but the default dtype belong to the thread. The default dtype is changed
    only where it is not float32.
    """
    dtype = torch.get_default_dtype()
    if dtype != torch.float32:
        torch.set_default_dtype(torch.float32)
    try:
        with torch.inference_mode(False), ExitStack() as left:
            # A device context slows down every operation, so it is entered only to replace another.
            if torch.get_default_device().type != "cpu":
                left.enter_context(torch.device("cpu"))
            for kind in ("cpu", "cuda"):
                if torch.is_autocast_enabled(kind):
                    left.enter_context(torch.autocast(kind, enabled=False))
            yield
    finally:
        if dtype != torch.float32:
            torch.set_default_dtype(dtype)


def each_in_own_modes(values: Iterator[T]) -> Iterator[T]:
    """The values, each computed in :func:`own_modes`; the caller has its modes between two values."""
    while True:
        with own_modes():
            try:
                value = next(values)
            except StopIteration:
                return
        yield value
