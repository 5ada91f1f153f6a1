"""Recognise files by their first bytes: the formats that are read, and common ones that are not."""

from __future__ import annotations

import re

_READ = {
    "PNG": (0, rb"\x89PNG"),
    "JPEG": (0, rb"\xff\xd8\xff"),
    "GIF": (0, rb"GIF8[79]a"),
    "WebP": (0, rb"RIFF....WEBP"),
    "TIFF": (0, rb"II[*+]\0|MM\0[*+]"),
    "BMP": (0, rb"BM.{4}\0{4}"),
    "JPEG 2000": (0, rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"),
    "AVIF": (4, rb"ftypavi[fs]"),
    "HEIC": (4, rb"ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)"),
    "PPM": (0, rb"P[1-6f]\s"),
}
"""Name -> offset and pattern, for the formats that are read."""

_PICTURES = {
    "a JPEG XL picture": (0, rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n"),
    "a Photoshop file": (0, rb"8BPS"),
    "a GIMP file": (0, rb"gimp xcf"),
    "a PDF document": (0, rb"\s*%PDF-"),
    "a PostScript file": (0, rb"%!PS|\xc5\xd0\xd3\xc6"),
    "an SVG drawing": (0, rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg[\s>]"),
    "a FLI animation": (4, rb"[\x11\x12]\xaf"),
    "a video": (4, rb"ftyp(isom|mp4|M4V|qt  |avc1|3gp|dash)"),
    "a Matroska or WebM video": (0, rb"\x1a\x45\xdf\xa3"),
    "an AVI video": (0, rb"RIFF....AVI "),
    "a raw photograph": (0, rb"FUJIFILMCCD-RAW|....ftypcrx |IIRO|IIU\0"),
    "an OpenEXR picture": (0, rb"\x76\x2f\x31\x01"),
    "a Radiance picture": (0, rb"#\?(RADIANCE|RGBE)"),
    "a DDS texture": (0, rb"DDS "),
    "a QOI picture": (0, rb"qoif"),
    "a macOS icon": (0, rb"icns"),
    "an SGI picture": (0, rb"\x01\xda[\0\x01][\x01\x02]"),
    "a PCX picture": (0, rb"\x0a[\0-\x05]\x01[\x01\x02\x04\x08]"),
    "a Windows metafile": (0, rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF"),
    "a FITS picture": (0, rb"SIMPLE  ="),
    "a DICOM picture": (128, rb"DICM"),
    # It has no signature: a valid colour map, picture type and bit depth.
    "a TGA picture": (0, rb".[\0\x01](\x01|\x02|\x03|\x09|\x0a|\x0b).{13}[\x08\x0f\x10\x18\x20]"),
}
"""What a file is -> offset and pattern, for files that other programs convert to a picture."""

_OTHER = {
    "a web page": (0, rb"(?i)\s*(<!--.*?-->\s*)*<(!doctype html|html|head)[\s>]"),
    "an XML file": (0, rb"\s*<\?xml"),
    "a JSON file": (0, rb"\s*[{\[]\s*[\"{\[\d\]}]"),
    "an old Office document": (0, rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    "a ZIP archive or an Office document": (0, rb"PK\x03\x04"),
    "an archive": (0, rb"\x1f\x8b|7z\xbc\xaf|Rar!|BZh|\xfd7zXZ"),
    "a NumPy array": (0, rb"\x93NUMPY"),
    "an HDF5 file": (0, rb"\x89HDF"),
    "a program": (0, rb"\x7fELF|MZ"),
}
"""The same for other files."""


def format_read(data: bytes) -> str | None:
    """The name of the supported format that ``data`` begins like, even if it is damaged; else None."""
    return _matching(_READ, data)


def other_kind(data: bytes) -> str | None:
    """What ``data`` is and what to do, where it begins like a known format that is not supported; else None."""
    if (found := _matching(_PICTURES, data)) is not None:
        return f"{found}: convert it to PNG first"
    found = _matching(_OTHER, data)
    return "a text file" if found is None and _is_text(data[:2000]) else found


def _matching(kinds: dict[str, tuple[int, bytes]], data: bytes) -> str | None:
    beginning = data[:2000]
    return next(
        (
            name
            for name, (offset, pattern) in kinds.items()
            if re.match(pattern, beginning[offset:], re.DOTALL)
        ),
        None,
    )


def _is_text(beginning: bytes) -> bool:
    try:
        text = beginning[:-3].decode()  # the end may cut a character in two
    except UnicodeDecodeError:
        return False
    return len(text) > 3 and all(character.isprintable() or character.isspace() for character in text)
