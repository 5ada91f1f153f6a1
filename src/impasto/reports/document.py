"""A page in one file: style and script are embedded, and a content security policy forbids everything else.

All text is inserted through :mod:`xml.etree`, which escapes it, so a file name cannot become markup.
"""

from __future__ import annotations

import base64
import hashlib
import html
import importlib.resources
import string
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from impasto.errors import OutputError
from impasto.files import replacing


def write(path: Path, title: str, body: Sequence[ET.Element]) -> None:
    """Write a page, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    page = _page(title, body)
    try:
        with replacing(path) as file:
            file.write(page.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror or error}") from None


def _page(title: str, body: Sequence[ET.Element]) -> str:
    folder = importlib.resources.files("impasto.reports")
    template, style, script = (
        (folder / name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js")
    )
    policy = {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": _csp_hash(style),
        "script-src": _csp_hash(script),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return string.Template(template).substitute(
        policy=html.escape("; ".join(f"{what} {allowed}" for what, allowed in policy.items())),
        title=html.escape(title),
        style=style,
        script=script,
        body="\n".join(ET.tostring(each, encoding="unicode", method="html") for each in body),
    )


def _csp_hash(text: str) -> str:
    """The source expression that allows exactly this script or style in the content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
