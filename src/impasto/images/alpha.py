"""Transparency: split alpha from the colours, and composite the colours over white."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from impasto.errors import ImageError
from impasto.images.samples import GREY_MODES, Array, Floats, to_unit_range

OVER_WHITE = "transparent pixels composited over white"
OVER_BLACK = "transparent pixels composited over black, since all others are white"
_ALMOST_WHITE = 1 - 4 / 255


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
    notes.append(OVER_WHITE)
    cover = alpha[:, :, None]
    # Rounding may exceed 1 by one float32 step.
    flat: Floats = (to_unit_range(values) * cover + (1 - cover)).clip(0, 1)
    return flat, alpha


def choose_background(planes: Array, alpha: Floats, notes: list[str]) -> float:
    """Put a picture whose visible pixels are all white over black, since nothing would be seen over white.

    Args:
        planes: (3, H, W) over white; changed in place.
        alpha: (H, W).
        notes: the note about the background is replaced.

    Returns:
        the background: 1 for white, 0 for black.
    """
    if planes.min() < _ALMOST_WHITE or not alpha.any():
        return 1.0
    planes += alpha - 1
    planes.clip(0, 1, out=planes)
    notes[:] = [OVER_BLACK if note == OVER_WHITE else note for note in notes]
    return 0.0


def straight(pixels: torch.Tensor, alpha: torch.Tensor, background: float) -> torch.Tensor:
    """The colours before they were composited over ``background``; the background where alpha is 0.

    Args:
        pixels: (1, 3, H, W).
        alpha: (1, 1, H, W).
    """
    color = (pixels - background * (1 - alpha)) / alpha.clamp_min(1e-6)
    return torch.where(alpha > 0, color, background).clamp_(0.0, 1.0)
