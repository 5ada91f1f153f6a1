"""Transparency: alpha is split off as a plane of its own, and the colours are composited over white."""

from __future__ import annotations

import numpy as np
from PIL import Image

from impasto.errors import ImageError
from impasto.images.samples import GREY_MODES, Array, Floats, to_unit_range


def split(image: Image.Image, name: str) -> tuple[Image.Image, Floats | None]:
    """The colours in a mode without alpha, and alpha (H, W) in [0, 1]; None for a mode that has none.

    A transparent colour, and a palette with alpha, count as alpha.

    Raises:
        ImageError: the mode is not read.
    """
    mode = image.mode
    if mode in ("La", "RGBa"):  # colour already multiplied by alpha
        image = image.convert(mode.upper())
    elif mode == "PA":
        image = image.convert("RGBA")
    elif "transparency" in image.info and mode in ("1", "L", "P", "RGB"):
        # one transparent colour, or an alpha for each colour of the palette
        image = image.convert("LA" if mode in ("1", "L") else "RGBA")
    if image.mode == "RGBA":
        return image.convert("RGB"), to_unit_range(np.asarray(image.getchannel("A")))
    if image.mode == "LA":
        return image.convert("L"), to_unit_range(np.asarray(image.getchannel("A")))
    if mode not in (*GREY_MODES, "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"):
        raise ImageError(f"{name}: pictures of the kind {mode!r} are not read")
    return image, None


def flatten(values: Array, alpha: Floats, notes: list[str]) -> tuple[Array, Floats | None]:
    """``values`` (H, W, C) composited over white with ``alpha`` (H, W); and alpha, or None where all is opaque.

    Opaque values are returned as they are, others as float32 in [0, 1].

    Args:
        notes: gets a line if anything is transparent.
    """
    if alpha.min() >= 1:
        return values, None
    notes.append("transparent, on white")
    cover = alpha[:, :, None]
    # Rounding may exceed 1 by a step of float32; the range is a promise.
    flat: Floats = (to_unit_range(values) * cover + (1 - cover)).clip(0, 1)
    return flat, alpha
