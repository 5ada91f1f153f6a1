"""Build HTML elements with :mod:`xml.etree`, which escapes text when the page is written."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any


def element(tag: str, *children: ET.Element | str | None, **attributes: Any) -> ET.Element:
    """An element, as in ``element("td", "x", class_="number", data_value=1)``.

    Args:
        tag: the element's name.
        children: elements and texts in order; None is skipped.
        attributes: underscores in a name become hyphens; a trailing underscore is dropped. None is skipped.
    """
    names = {name: name.rstrip("_").replace("_", "-") for name in attributes}
    given = {names[name]: str(value) for name, value in attributes.items() if value is not None}
    made = ET.Element(tag, given)
    for child in children:
        if isinstance(child, ET.Element):
            made.append(child)
        elif child is not None and len(made):
            made[-1].tail = (made[-1].tail or "") + child
        elif child is not None:
            made.text = (made.text or "") + child
    return made
