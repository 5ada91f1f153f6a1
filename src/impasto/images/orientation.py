"""EXIF orientation: how the stored rows and columns of a picture are turned upright."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from impasto.images.samples import Array

# EXIF orientation -> what turns the stored (H, W, ...) array upright. Any other orientation is ignored.
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
    """The function that turns a stored array (H, W, ...) of ``image`` upright; it returns a view.

    Args:
        notes: gets a line if the EXIF data cannot be read.
    """
    return _UPRIGHT.get(_orientation(image, notes), np.asarray)


def _orientation(image: Image.Image, notes: list[str]) -> object:
    try:
        found = image.getexif().get(_EXIF_ORIENTATION)
    except Exception:  # EXIF is a file format of its own, with all the ways to be damaged
        notes.append("EXIF is damaged, ignored")
        return None
    return found if isinstance(found, int) else None
