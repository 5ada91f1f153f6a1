"""Transparency: split alpha from the colours, and composite the colours over white."""

from __future__ import annotations

import numpy as np
from PIL import Image

from impasto.errors import ImageError
from impasto.images.samples import GREY_MODES, Array, Floats, to_unit_range


def split(image: Image.Image, name: str) -> tuple[Image.Image, Floats | None]:
    """The image in a mode without alpha, and alpha (H, W) in [0, 1]; None for a mode without alpha.

    A transparent colour key and a palette with alpha are converted to alpha.

    Raises:
        ImageError: the mode is not supported.
    """
    mode = image.mode
    if mode in ("La", "RGBa"):  # colour already multiplied by alpha
        image = image.convert(mode.upper())
    elif mode == "PA":
        image = image.convert("RGBA")
    elif "transparency" in image.info and mode in ("1", "L", "P", "RGB"):
        # one transparent colour, or one alpha per palette colour
        image = image.convert("LA" if mode in ("1", "L") else "RGBA")
    if image.mode == "RGBA":
        return image.convert("RGB"), to_unit_range(np.asarray(image.getchannel("A")))
    if image.mode == "LA":
        return image.convert("L"), to_unit_range(np.asarray(image.getchannel("A")))
    if mode not in (*GREY_MODES, "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"):
        raise ImageError(f"{name}: expected a grey, RGB, CMYK, YCbCr, HSV or Lab picture, got mode {mode!r}")
    return image, None


def flatten(values: Array, alpha: Floats, notes: list[str]) -> tuple[Array, Floats | None]:
    """Composite ``values`` (H, W, C) over white with ``alpha`` (H, W); returns alpha too, or None if all is opaque.

    Opaque values are returned unchanged, others as float32 in [0, 1].

    Args:
        notes: a line is added if any pixel is transparent.
    """
    if alpha.min() >= 1:
        return values, None
    notes.append("transparent pixels composited over white")
    cover = alpha[:, :, None]
    # Rounding may exceed 1 by one float32 step.
    flat: Floats = (to_unit_range(values) * cover + (1 - cover)).clip(0, 1)
    return flat, alpha
