"""Embedded ICC profiles: the transform from a picture's colour space to sRGB."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

from impasto.images.samples import GREY_MODES
from impasto.text import one_line

# Colour space in a profile's header -> the Pillow mode its transform takes.
_PROFILE_MODE = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}


def transform_to_srgb(
    image: Image.Image, mode: str, notes: list[str]
) -> tuple[str, ImageCms.ImageCmsTransform] | None:
    """The transform from the picture's profile to sRGB, and the Pillow mode it takes; None if none is needed.

    No transform is needed without a profile, with an sRGB profile of any name, and with a profile for another mode.

    Args:
        image: as opened, with its profile.
        mode: of the picture without alpha.
        notes: a line is added if the colours will be converted, or if the profile is broken or for another mode.
    """
    profile = image.info.get("icc_profile")
    if mode == "LAB":
        profile = profile or ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    if not profile:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        profile_mode = _PROFILE_MODE[source.profile.xcolor_space.strip()]
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            profile_mode,
            "RGB",
            renderingIntent=ImageCms.Intent.PERCEPTUAL,
            # lcms's lookup table for grey is too coarse near black: an error of 10 of 255 with a linear profile.
            flags=ImageCms.Flags.NOOPTIMIZE if profile_mode == "L" else ImageCms.Flags(0),
        )
    except Exception:  # lcms and Pillow report a broken profile in many ways
        notes.append("colour profile is broken, ignored")
        return None
    grey_with_rgb_profile = mode in GREY_MODES and profile_mode == "RGB"  # scanners write this
    kind = "L" if mode in GREY_MODES else mode if mode in ("CMYK", "LAB") else "RGB"
    if (kind != profile_mode and not grey_with_rgb_profile) or mode in ("I", "F"):
        notes.append(
            f"colour profile ignored: it is for {_words(profile_mode)} pictures, this one is {_words(mode)}"
        )
        return None
    if profile_mode in ("RGB", "L") and _is_identity(transform, profile_mode):
        return None
    if profile_mode != "CMYK":
        described = one_line(ImageCms.getProfileDescription(source), limit=60)
        notes.append(f"colours converted to sRGB from {described or 'its colour profile'}")
    return profile_mode, transform


def _words(mode: str) -> str:
    return "grey" if mode in GREY_MODES else mode


def _is_identity(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether the profile is sRGB, under any name; the values then stay unchanged, without rounding."""
    steps = np.linspace(0, 255, 18).round().astype(np.uint8)
    if mode == "L":
        probe = np.arange(256, dtype=np.uint8)[None]
    else:
        probe = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(1, -1, 3)
    after = np.asarray(transform.apply(Image.fromarray(probe))).astype(int)
    before = probe.astype(int) if mode == "RGB" else probe.astype(int)[:, :, None]
    return bool(np.abs(after - before).max() <= 2)
