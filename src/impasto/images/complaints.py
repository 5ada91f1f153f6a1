"""Decoders' warnings and errors: collected from wherever decoders write them, and put in plain words."""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from impasto.text import one_line

AS_FAR_AS_POSSIBLE = "file is damaged, read as far as possible"
"""The note about damage that a decoder has seen, and not refused."""

_PLAIN = {
    r"exif|metadata|tag \d+|ifd|dpi|mpo\b|app\d": "its metadata are damaged",
    r"truncat|cut short|not enough|too short|premature|unexpected end|requires a buffer|got only|0 bytes|\beof\b": (
        "it is cut short"
    ),
    r"tile cannot extend|outside image|tile .*size|image size|dimension|overrun": (
        "its stated size does not fit its pixels"
    ),
    r"text_chunk|text_memory|decompressed data too large": "a text in it is too long",
    r"checksum|\bcrc\b|broken png": "a checksum is wrong",
    r"decoder error|data stream|data block|code word|huffman|zlib|decompress|bad code|lzw|fax|failed to (read|dec)": (
        "its pixel data are broken"
    ),
    r"unsupported|not supported|unknown|unrecogni[sz]ed|cannot identify|no decoder|not available|no such": (
        "it uses a variant that is not supported"
    ),
}
"""What decoders write -> the same in plain words; the first pattern that matches counts."""


def plain_words(complaint: object) -> str:
    """A decoder's warning or error in plain words; its own words, in brackets, where it is not a known one."""
    text = one_line(complaint, limit=200) or type(complaint).__name__
    known = (plain for pattern, plain in _PLAIN.items() if re.search(pattern, text, re.IGNORECASE))
    return next(known, f"the decoder said: {text}")


@contextmanager
def collected() -> Iterator[list[str]]:
    """Context that collects Python's warnings and Pillow's log; after it the list has the lines, without repeats.

    Inside, a picture above Pillow's pixel limit is an error. The filters of warnings are global to the process.
    """
    found: list[str] = []
    listener = _Listener()
    logger = logging.getLogger("PIL")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        logger.addHandler(listener)
        try:
            yield found
        finally:
            logger.removeHandler(listener)
            lines = (*(str(each.message) for each in caught), *listener.lines)
            found.extend(dict.fromkeys(one_line(line, limit=120) for line in lines))


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def standard_error_of_libraries() -> Iterator[list[str]]:
    """Context that collects what C libraries write to the process's standard error, which is not shown.

    libtiff has no other way to report what is wrong. Other threads' lines within the context are lost too.
    """
    lines: list[str] = []
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
        shown = os.dup(2)
    except (OSError, ValueError):  # closed: nothing is shown anyway
        yield lines
        return
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(shown, 2)
            os.close(shown)
            written.seek(0)
            lines.extend(written.read(10_000).decode("utf-8", "replace").splitlines())
