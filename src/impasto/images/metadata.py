"""Text embedded in a written picture: packing it and reading it back.

PNG stores it in an ``iTXt`` chunk with the key ``impasto``. JPEG, WebP and TIFF store it as the only element of an
XMP packet; in GIF that packet is the comment. All are plain UTF-8, which metadata viewers show.
"""

from __future__ import annotations

import os
import re

from impasto.errors import ImageError, ParameterError
from impasto.images.opening import file_bytes, guarded, is_large_tiff, open_header
from impasto.text import NOT_TEXT, display_name

KEY = "impasto"
XMP_TAG = 700
"""The TIFF tag whose value is an XMP packet."""

# XML allows a carriage return, but it must be escaped.
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_BEGIN, _END = f"<{KEY}:recipe>", f"</{KEY}:recipe>"
_PACKET = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    f'<rdf:Description rdf:about="" xmlns:{KEY}="urn:{KEY}:recipe">'
    f"{_BEGIN}%s{_END}</rdf:Description></rdf:RDF></x:xmpmeta>"
)


def check_text(text: str) -> None:
    """Refuse text that some formats cannot store.

    Raises:
        ParameterError: ``text`` has control characters other than tab and line breaks.
    """
    if bad := NOT_TEXT.search(text):
        raise ParameterError(f"metadata: expected text, got the character {bad[0]!r} at {bad.start()}")


def to_xmp(text: str) -> bytes:
    """The XMP packet (UTF-8) with ``text`` in it."""
    return (_PACKET % re.sub("[&<>\r]", lambda match: _ESCAPES[match[0]], text)).encode()


def from_xmp(packet: bytes) -> str | None:
    """The text that :func:`to_xmp` packed; None if the packet has none."""
    found = re.search(f"{_BEGIN}(.*?){_END}", packet.decode("utf-8", "replace"), re.DOTALL)
    if found is None:
        return None
    plain = {escape: character for character, escape in _ESCAPES.items()}
    return re.sub("|".join(plain), lambda match: plain[match[0]], found[1])


def read_metadata(path: str | os.PathLike[str]) -> str:
    """The text that :func:`impasto.images.write` embedded in the picture, character for character.

    Raises:
        ImageError: the file cannot be read, is not a picture, or has no such text.
    """
    name = display_name(path)
    data = None if is_large_tiff(path) else file_bytes(path)
    # No limit: the pixels are never decoded.
    with guarded(name, max_pixels=2**62):
        info = {"xmp": _tiff_xmp(path)} if data is None else open_header(data, name).info
    if isinstance(text := info.get(KEY), str):
        return str(text)
    packet = info.get("xmp") or info.get("comment")  # a GIF has it as its comment
    found = from_xmp(packet.encode() if isinstance(packet, str) else packet) if packet else None
    if found is None:
        raise ImageError(f"{name}: expected a recipe inside the picture, got a picture without one")
    return found


def _tiff_xmp(path: str | os.PathLike[str]) -> bytes | str | None:
    """The XMP packet of a TIFF file, or None. Only the file's directory is read, whatever its size."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        packet = file.pages.first.tags.valueof(XMP_TAG)
    return packet if isinstance(packet, bytes | str) else None
