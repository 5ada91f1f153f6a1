"""Watercolour: transparent washes with dark edges, granulation and blooms over rough paper."""

from __future__ import annotations

import numpy as np

from impasto.swatches.field import (
    Field,
    Picture,
    blur,
    canvas_side,
    finish,
    grid,
    noise,
    ramp,
    relief,
    smoothstep,
)

PAPER = np.array([0.975, 0.958, 0.918], np.float32)
DAWN = ("#f3b07a", "#ee8d78", "#d66f8a")
RANGES = (
    ("#b49ac6", "#e3a4a4"),
    ("#7f8cc4", "#b98fb4"),
    ("#4f77ad", "#7a9cb0"),
    ("#2f6a86", "#6f9f7f"),
    ("#1f4f5e", "#7d9440"),
)


def watercolour(rng: np.random.Generator, size: int) -> Picture:
    """Swatch of watercolour washes, uint8 (size, size, 3)."""
    side = canvas_side(size)
    x, y = grid(side)
    tooth = noise(rng, side, 95, octaves=3, gain=0.7)  # the texture of the paper
    wander = 0.010 * noise(rng, side, 9, octaves=5, gain=0.6)
    sheet = np.zeros((side, side, 3), np.float32) + PAPER

    sun_x, sun_y = rng.uniform(0.25, 0.75), rng.uniform(0.20, 0.30)
    to_sun = np.hypot(x - sun_x, y - sun_y) + 0.4 * wander
    sky = smoothstep(0.05, 0.085, to_sun) * (0.35 + 0.55 * smoothstep(0.62, 0.0, y))
    cloud = smoothstep(-0.2, 1.1, noise(rng, side, (1.8, 3.5), octaves=5, gain=0.55))
    blue = smoothstep(0.14, 0.62, to_sun)
    sheet = _wash(
        rng, sheet, sky * blue * (1 - 0.85 * cloud), ramp(blue, ("#7fb0d8", "#3f74b8")), tooth, 0.35
    )
    warm = np.exp(-((to_sun / 0.26) ** 2)) + 0.7 * np.exp(-(((y - 0.46) / 0.10) ** 2))
    sheet = _wash(rng, sheet, sky * np.clip(warm, 0, 1), ramp(to_sun / 0.5, DAWN), tooth, 0.3)
    sheet = _wash(rng, sheet, 0.5 * smoothstep(0.062, 0.056, to_sun), ramp(0 * x, ("#f6c04a",)), tooth, 0.9)

    top = rng.uniform(0.40, 0.45)
    for number, pair in enumerate(RANGES):
        peak = noise(rng, side, 1.8 + 1.1 * number, octaves=6, gain=0.42)[:1]
        rise = (0.075, 0.07, 0.055, 0.045, 0.040)[number]
        ridge = top + 0.11 * number - rise * peak
        if number == 3:  # a wood along the nearer shore: trunks of wet brush above the ridge
            ridge = ridge - 0.028 * np.clip(noise(rng, side, 38, octaves=3)[:1], -0.4, 2)
        below = y - ridge + (0.25 + 0.2 * number) * wander
        body = smoothstep(-0.0015, 0.0015, below)
        mist = 1 - np.exp(-np.clip(below, 0, 1) / (0.07 + 0.03 * number))  # it lies in the valleys
        fade = 1 - 0.72 * mist
        strength = (0.42, 0.55, 0.68, 0.85, 1.05)[number]
        hue = ramp(0.5 + 0.5 * noise(rng, side, 2.5, octaves=3) + below * 2, pair)
        sheet = _wash(rng, sheet, body * fade * strength, hue, tooth, 0.9)

    lit, _ = relief((tooth * 0.0004).astype(np.float32))
    return finish(sheet * (0.62 + 0.38 * lit[..., None]), size)


def _wash(
    rng: np.random.Generator, sheet: Field, load: Field, colour: Field, tooth: Field, rim: float
) -> Field:
    """One wash over the sheet: ``load`` of pigment (side, side), dried; densities multiply (Beer-Lambert)."""
    side = load.shape[0]
    wet = np.clip(load, 0, 1.2)
    # pigment is carried to the drying edge: more just inside it, less behind
    shore = np.clip(wet - blur(wet, 0.009), -0.05, 1) * 1.3 + np.clip(wet - blur(wet, 0.0018), 0, 1) * 2.0
    bloom = noise(rng, side, 3.2, octaves=5, gain=0.6)
    # a drop of water pushes the pigment back into a crinkled rim
    back = 0.75 * np.exp(-(((bloom - 0.9) / 0.07) ** 2)) - 0.42 * smoothstep(0.9, 1.2, bloom)
    uneven = 1 + 0.20 * noise(rng, side, 6, octaves=4) + 0.4 * rim * back
    grains = 1 + 0.13 * tooth + 0.07 * noise(rng, side, 170, octaves=2)  # heavy pigment settles in the pits
    dry = smoothstep(-2.6, -1.6, -tooth + 2.2 * wet)  # where the brush runs dry only the hills take colour
    density = np.clip(wet * uneven * grains + rim * shore * (wet > 0.02), 0, 2.2) * dry
    return np.asarray(sheet * np.clip(colour, 0.02, 1) ** density[..., None])
