"""Read and write picture files as (1, 3, H, W) float32 sRGB in [0, 1]; the rest of impasto uses only such tensors.

``reading`` turns any picture into a tensor. ``opening`` reads a file's bytes and header safely. ``decoding`` reads
its samples, with ``color_profile``, ``bit_depth``, ``orientation`` and ``alpha``. ``large`` reads very large TIFF
files, ``arrays`` pictures in memory. ``samples`` has the types and conversions that all of them share.

``writing`` writes a tensor to a file atomically. ``metadata`` embeds text in pictures and reads it back.
``animation`` writes frames as a film.
"""

from __future__ import annotations

from impasto.images.metadata import read_metadata
from impasto.images.opening import MAX_PIXELS
from impasto.images.reading import Picture, Source, as_list, in_memory, read
from impasto.images.writing import WRITABLE, check_output, write

__all__ = [
    "MAX_PIXELS",
    "WRITABLE",
    "Picture",
    "Source",
    "as_list",
    "check_output",
    "in_memory",
    "read",
    "read_metadata",
    "write",
]
