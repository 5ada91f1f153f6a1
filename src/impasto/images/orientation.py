"""EXIF orientation: rotate or mirror a stored picture so that it is upright."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from impasto.images.samples import Array

# EXIF orientation -> function of the stored array (H, W, ...) that returns it upright. Other values are ignored.
_UPRIGHT: dict[object, Callable[[Array], Array]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
_EXIF_ORIENTATION = 0x0112


def upright(image: Image.Image, notes: list[str]) -> Callable[[Array], Array]:
    """The function that returns a stored array (H, W, ...) of ``image`` upright, as a view.

    Args:
        notes: a line is added if the EXIF data cannot be read.
    """
    return _UPRIGHT.get(_orientation(image, notes), np.asarray)


def _orientation(image: Image.Image, notes: list[str]) -> object:
    try:
        found = image.getexif().get(_EXIF_ORIENTATION)
    except Exception:  # damaged EXIF data may raise any exception
        notes.append("EXIF is damaged, ignored")
        return None
    return found if isinstance(found, int) else None
