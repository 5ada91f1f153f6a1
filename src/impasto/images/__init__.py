"""Read and write picture files as (1, 3, H, W) float32 sRGB in [0, 1]; the rest of impasto uses only such tensors.

``reading`` turns any picture into a tensor. ``opening`` reads a file's bytes and header safely. ``decoding`` reads
its samples, with ``color_profile``, ``bit_depth``, ``orientation`` and ``alpha``. ``large`` reads very large TIFF
files, ``arrays`` pictures in memory. ``samples`` has the types and conversions that all of them share.

``writing`` writes a tensor to a file atomically. ``metadata`` embeds text in pictures and reads it back.
``animation`` writes frames as a film.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from impasto.images.metadata import read_metadata
    from impasto.images.opening import MAX_PIXELS
    from impasto.images.reading import Picture, Source, as_list, in_memory, read
    from impasto.images.writing import WRITABLE, check_format, check_output, write

# A name's module is imported when the name is used: reading a recipe out of a picture needs no torch.
_HOMES = {
    "MAX_PIXELS": "opening",
    "WRITABLE": "writing",
    "Picture": "reading",
    "Source": "reading",
    "as_list": "reading",
    "check_format": "writing",
    "check_output": "writing",
    "in_memory": "reading",
    "read": "reading",
    "read_metadata": "metadata",
    "write": "writing",
}

__all__ = [
    "MAX_PIXELS",
    "WRITABLE",
    "Picture",
    "Source",
    "as_list",
    "check_format",
    "check_output",
    "in_memory",
    "read",
    "read_metadata",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'impasto.images' has no attribute {name!r}")
    return getattr(importlib.import_module(f"impasto.images.{_HOMES[name]}"), name)
