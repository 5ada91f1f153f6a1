"""Oil: thick strokes laid big to small along a whirling sky, lit from the upper left."""

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
    slope,
    smoothstep,
)

SKY = ("#0b1238", "#14246b", "#1f429c", "#2f6cb8", "#5aa0c4", "#a7cfc0", "#f0e3a0", "#f7c544", "#e8862a")
LAND = ("#07170f", "#12301f", "#1f4d3a", "#3c6b3a", "#8a8b3a", "#c9a64a")

# strokes across the picture, length, width, bristles; no layer covers the one below completely
LAYERS = ((20, 0.24, 0.056, 24), (32, 0.17, 0.036, 15), (42, 0.115, 0.022, 9), (52, 0.07, 0.010, 5))


def strokes(rng: np.random.Generator, size: int) -> Picture:
    """Swatch of flowing oil strokes, uint8 (size, size, 3)."""
    side = canvas_side(size)
    stream, plan = _scene(rng)
    right, down = slope(stream)
    speed = np.hypot(right, down) + 1e-6
    flow = np.stack([down / speed, -right / speed], -1)  # along the stream function's contours

    canvas = Image.new("RGBA", (side, side), (16, 28, 70, 60))  # the alpha channel carries paint height
    for layer, (across, length, width, bristles) in enumerate(LAYERS):
        _lay(ImageDraw.Draw(canvas), rng, flow, plan, layer, across, length, width, bristles)

    pixels = np.asarray(canvas).astype(np.float32) / 255
    height = blur(pixels[..., 3], 0.0009) * 0.011 + noise(rng, side, 90, octaves=3) * 0.00012
    lit, gloss = relief(height.astype(np.float32))
    rgb = pixels[..., :3] * (0.35 + 0.65 * lit[..., None]) + 0.28 * gloss[..., None]
    return finish(rgb, size)


def _scene(rng: np.random.Generator) -> tuple[Field, Field]:
    """Stream function (256, 256) and colour plan (256, 256, 3): whirls over a ridge of hills."""
    side = 256
    x, y = grid(side)
    stream = 0.85 * y + 0.055 * noise(rng, side, 2.5, octaves=2)
    glow = np.zeros_like(x)
    ring = np.zeros_like(x)
    for number in range(7):
        cx = (number * 0.382 + rng.uniform(-0.07, 0.07) + 0.2) % 1.0
        cy = rng.uniform(0.08, 0.62)
        spread = (0.15, 0.12, 0.07, 0.06, 0.05, 0.045, 0.04)[number]
        far = np.hypot(x - cx, y - cy) / spread
        # fade out the background flow in a whirl; otherwise the whirl's centre would move away from its glow
        calm = np.exp(-((far / 1.5) ** 2))
        stream += calm * (at(stream, np.array(cx), np.array(cy)) - stream)
        stream += rng.choice([-1, 1]) * 1.5 * spread * np.exp(-(far**2) / 2)
        glow = np.maximum(glow, np.exp(-((far / 0.62) ** 2)))
        ring += np.cos(far * 3.6) * np.exp(-((far / 1.7) ** 2))
    t = 0.19 + 0.28 * y + 0.085 * np.sin(stream * 46) + 0.05 * noise(rng, side, 4) + 0.13 * ring + 0.62 * glow
    sky = ramp(t.astype(np.float32), SKY)

    ridge = 0.8 + 0.035 * noise(rng, side, 3, octaves=3)[:1] + 0 * y
    land = smoothstep(-0.004, 0.004, y - ridge)
    hill = (y - ridge) * 1.0 + 0.03 * noise(rng, side, 4, octaves=2)
    t = 0.3 + 0.13 * noise(rng, side, 6, octaves=3) + 0.22 * np.sin(hill * 75) + 0.1 * (y - ridge) / 0.2
    stream = stream * (1 - land) + hill * land
    return stream.astype(np.float32), mix(sky, ramp(t.astype(np.float32), LAND), land)


def _lay(
    draw: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    flow: Field,
    plan: Field,
    layer: int,
    across: int,
    length: float,
    width: float,
    bristles: int,
) -> None:
    x, y = scatter(rng, across)
    keep = (1.0, 1.0, 0.62, 0.42)[layer]  # the small strokes are accents, not a coat
    x, y = x[: int(keep * len(x))], y[: int(keep * len(y))]
    count, half = len(x), 7
    colour = at(plan, x, y) * rng.normal(1, 0.10, (count, 1)) + rng.normal(0, 0.028, (count, 3))
    reach = length * rng.uniform(0.55, 1.2, count)
    path = np.zeros((count, 2 * half + 1, 2), np.float32)
    path[:, half] = np.stack([x, y], -1)
    for direction in (-1, 1):
        for step in range(1, half + 1):
            before = path[:, half + direction * (step - 1)]
            ahead = at(flow, before[:, 0], before[:, 1])
            path[:, half + direction * step] = before + direction * ahead * (reach / (2 * half))[:, None]

    along = np.gradient(path, axis=1)
    along /= np.linalg.norm(along, axis=-1, keepdims=True) + 1e-9
    normal = np.stack([-along[..., 1], along[..., 0]], -1)
    lane = np.linspace(-1, 1, bristles)
    swell = np.sin(np.linspace(0.30, np.pi - 0.42, 2 * half + 1)) ** 0.5  # pressed in the middle
    girth = width * rng.uniform(0.7, 1.15, count)
    offset = lane[None, :, None] * swell[None, None, :] * girth[:, None, None] / 2
    hairs = (path[:, None] + offset[..., None] * normal[:, None]) * draw.im.size[0]

    # the load of paint: full in the middle, with ridges pushed up at both sides and furrows between hairs
    profile = 0.55 + 0.25 * (1 - lane**2) + 0.35 * np.exp(-(((np.abs(lane) - 0.85) / 0.13) ** 2))
    load = profile + rng.normal(0, 0.13, (count, bristles)) + rng.normal(0, 0.08, (count, 1))
    shade = 1 + rng.normal(0, 0.055, (count, bristles, 1)) + 0.04 * lane[None, :, None]
    rgb = np.clip(colour[:, None] * shade, 0, 1)
    # a rounded, ragged start and end: outer hairs touch later and leave earlier
    start = np.clip(rng.normal(lane**2 * 1.4, 0.7, (count, bristles)), 0, 4).astype(int)
    end = 2 * half + 1 - np.clip(rng.normal(lane**2 * 1.8, 1.1, (count, bristles)), 0, 5).astype(int)
    ink = np.concatenate([rgb, np.clip(load, 0.05, 1)[..., None]], -1)
    inks = (ink * 255).astype(int).tolist()
    thick = max(1, round(1.9 * width * draw.im.size[0] / bristles))
    for i in range(count):
        for b in range(bristles):
            hair = hairs[i, b, start[i, b] : end[i, b]]
            draw.line(hair.ravel().tolist(), fill=tuple(inks[i][b]), width=thick)
