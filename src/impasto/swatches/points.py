"""Pointillism: pure dots that mix in the eye over a river bank in summer light."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from impasto.swatches.field import (
    Field,
    Picture,
    at,
    blur,
    canvas_side,
    finish,
    grid,
    mix,
    noise,
    ramp,
    relief,
    scatter,
    smoothstep,
)

SKY = ("#5b93cf", "#8fbbe0", "#c9dbe4", "#f5e3c0", "#f9cfa0")
FAR = ("#3f4f8a", "#4b7a6a", "#7fa05a", "#c8bd62")
GRASS = ("#1d3f5c", "#25694a", "#5c9a3c", "#b9c545", "#f3e26a")
LEAVES = ("#1a2a5a", "#1f5548", "#3f8a3f", "#a3bd3f", "#f0d860")

# deviations of a dot's colour; they sum to zero, so that their optical mixture is the plan's colour
STRAYS = (
    (0.22, 0.03, -0.20),
    (-0.20, 0.00, 0.22),
    (-0.12, 0.14, -0.08),
    (0.16, -0.16, 0.06),
    (0.10, 0.12, 0.04),
    (-0.16, -0.13, -0.04),
)
LAYERS = ((62, 0.0125, 0.35), (88, 0.0072, 0.75), (104, 0.0056, 0.9), (112, 0.0042, 0.95))


def points(rng: np.random.Generator, size: int) -> Picture:
    """Swatch of optical mixing by dots, uint8 (size, size, 3)."""
    side = canvas_side(size)
    plan = _scene(rng)
    canvas = Image.new("RGBA", (side, side), (226, 214, 190, 40))  # alpha carries the paint's height
    draw = ImageDraw.Draw(canvas)
    strays = np.array(STRAYS)
    for across, radius, purity in LAYERS:
        x, y = scatter(rng, across)
        count = len(x)
        colour = at(plan, x, y) + purity * strays[rng.integers(0, len(strays), count)]
        colour = np.clip(colour + rng.normal(0, 0.02, (count, 3)), 0, 1)
        ink = np.concatenate([colour, rng.uniform(0.45, 1, (count, 1))], -1)
        wide = radius * rng.uniform(0.75, 1.2, count)
        high = wide * rng.uniform(0.8, 1.1, count)
        boxes = np.stack([x - wide, y - high, x + wide, y + high], -1) * side
        for box, fill in zip(boxes.tolist(), (ink * 255).astype(int).tolist(), strict=True):
            draw.ellipse(box, fill=tuple(fill))

    pixels = np.asarray(canvas).astype(np.float32) / 255
    height = blur(pixels[..., 3], 0.0011) * 0.0042 + noise(rng, side, 120, octaves=2) * 0.00010
    lit, gloss = relief(height.astype(np.float32))
    return finish(pixels[..., :3] * (0.45 + 0.55 * lit[..., None]) + 0.10 * gloss[..., None], size)


def _scene(rng: np.random.Generator) -> Field:
    """Colour plan (256, 256, 3): sky, far bank, water that mirrors both, meadow and one tree."""
    side = 256
    x, y = grid(side)
    shore = rng.uniform(0.40, 0.46)
    cloud = smoothstep(0.1, 1.3, noise(rng, side, (2.0, 5.0), octaves=4))
    sky = mix(
        ramp(y / shore, SKY),
        np.ones((side, side, 3), np.float32) * np.array([1.0, 0.95, 0.86], np.float32),
        0.75 * cloud,
    )
    sun = rng.uniform(0.3, 0.8)
    sky = mix(
        sky,
        np.zeros_like(sky) + np.array([1, 0.86, 0.5], np.float32),
        0.8 * np.exp(-(((x - sun) / 0.16) ** 2) - ((y - shore + 0.08) / 0.1) ** 2),
    )

    crown = 0.06 + 0.035 * noise(rng, side, 5, octaves=4)[:1] + 0 * y
    far = ramp(0.45 + 0.22 * noise(rng, side, 12, octaves=3) + (shore - y) / 0.14 * 0.4 - 0.1, FAR)
    world = mix(sky, far, smoothstep(-0.006, 0.006, y - shore + np.maximum(crown, 0.02)))

    ripple = 0.018 * noise(rng, side, (3.0, 40.0), octaves=2)
    mirror = at(world, x + 0.25 * ripple, 2 * shore - y + ripple * (0.4 + 4 * (y - shore)))
    water = 0.78 * mirror + 0.22 * np.array([0.22, 0.45, 0.72], np.float32)
    glint = smoothstep(0.9, 1.6, noise(rng, side, (6.0, 46.0), octaves=2)) * np.exp(
        -(((x - sun) / 0.12) ** 2)
    )
    water = mix(water, np.zeros_like(water) + np.array([1, 0.93, 0.66], np.float32), glint)
    world = np.where((y > shore)[..., None], water, world)

    lean = rng.choice([-1, 1])
    bank = shore + 0.26 + lean * 0.16 * (x - 0.5) + 0.02 * noise(rng, side, 4, octaves=3)[:1]
    sunlit = 0.62 + 0.16 * noise(rng, side, (7.0, 16.0), octaves=3)
    trunk_x = 0.5 - lean * rng.uniform(0.24, 0.32)
    shadow = np.exp(-(((x - trunk_x - lean * 0.1) / 0.27) ** 2) - ((y - 0.86) / 0.06) ** 2)
    world = mix(world, ramp(sunlit - 0.62 * shadow, GRASS), smoothstep(-0.006, 0.006, y - bank))

    bend = 0.02 * np.sin(y * 9 + rng.uniform(0, 6))
    trunk = smoothstep(0.006, -0.006, np.abs(x - trunk_x - bend) - 0.024 - 0.06 * np.clip(y - 0.72, 0, 1))
    trunk *= (y > 0.3) & (y < 0.86)
    bark = ramp(
        0.5 - lean * (x - trunk_x - bend) / 0.03 * 0.5 + 0 * y, ("#d98a52", "#6a3b58", "#1c1a48", "#1c1a48")
    )
    world = mix(world, bark, trunk.astype(np.float32))
    reach = np.hypot((x - trunk_x) / 0.34, (y - 0.16) / 0.30) + 0.17 * noise(rng, side, 5, octaves=4)
    lumps = noise(rng, side, 7, octaves=4)
    leaf = ramp(0.42 + 0.2 * lumps - 0.25 * lean * (trunk_x - x) / 0.3 + 0.3 * (0.2 - y), LEAVES)
    return mix(world, leaf, smoothstep(0.98, 0.9, reach))
