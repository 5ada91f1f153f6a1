"""Files <-> (1, 3, H, W) float32 sRGB in [0, 1]; everything else in impasto only sees such tensors.

``opening`` gets at a file's bytes and header safely, ``reading`` turns any picture into a tensor,
``writing`` turns a tensor into a file or leaves everything as it was, ``metadata`` is the text that
travels inside a written picture, ``animation`` turns many frames into a film.
"""

from __future__ import annotations

from impasto.images.metadata import read_metadata
from impasto.images.opening import MAX_PIXELS
from impasto.images.reading import Picture, Source, read
from impasto.images.writing import WRITABLE, check_output, write

__all__ = ["MAX_PIXELS", "WRITABLE", "Picture", "Source", "check_output", "read", "read_metadata", "write"]
