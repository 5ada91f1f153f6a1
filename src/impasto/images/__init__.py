"""Files <-> (1, 3, H, W) float32 sRGB in [0, 1]; everything else in impasto only sees such tensors.

``reading`` turns any picture into a tensor. ``opening`` gets at a file's bytes and header safely, ``decoding`` at its
samples, by way of ``color_profile``, ``bit_depth``, ``orientation`` and ``alpha``. ``large`` reads very large TIFF
files, ``arrays`` pictures in memory; ``samples`` is what all of them share.

``writing`` turns a tensor into a file or leaves everything as it was. ``metadata`` is the text that travels inside a
written picture. ``animation`` turns many frames into a film.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from impasto.images.metadata import read_metadata
    from impasto.images.opening import MAX_PIXELS
    from impasto.images.reading import Picture, Source, read
    from impasto.images.writing import WRITABLE, check_output, write

# A name's module is imported when the name is used: reading a recipe out of a picture needs no torch.
_HOMES = {
    "MAX_PIXELS": "opening",
    "WRITABLE": "writing",
    "Picture": "reading",
    "Source": "reading",
    "check_output": "writing",
    "read": "reading",
    "read_metadata": "metadata",
    "write": "writing",
}

__all__ = ["MAX_PIXELS", "WRITABLE", "Picture", "Source", "check_output", "read", "read_metadata", "write"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'impasto.images' has no attribute {name!r}")
    return getattr(importlib.import_module(f"impasto.images.{_HOMES[name]}"), name)
