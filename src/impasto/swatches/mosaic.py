"""Roman mosaic: stones set in rows that follow the fishes, then the swell (opus vermiculatum).

Hausner, "Simulating Decorative Mosaics" (SIGGRAPH 2001), places the stones: a centroidal Voronoi diagram with the
maximum norm in the rotated frame of each stone, so that the cells become squares.
"""

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
    noise,
    ramp,
    relief,
    slope,
    smoothstep,
)

SEA = ("#1c3f52", "#2f6a78", "#6b9a98", "#b9c4a8", "#e9dfc3", "#f2ead4")
FISH = (
    ("#6d1f1a", "#b5432a", "#db7a3d", "#efb35c", "#f6e2ae"),
    ("#1b2f4a", "#3c5a7a", "#7f8f94", "#cdbf9a", "#f4e7c6"),
    ("#3b2a20", "#7d5a2e", "#bd8a35", "#e3bf5f", "#f5e7b8"),
)
OUTLINE = np.array([0.10, 0.085, 0.09], np.float32)
ACROSS, ROUNDS, PLAN = 52, 11, 416


def mosaic(rng: np.random.Generator, size: int) -> Picture:
    """Swatch of stone tesserae, uint8 (size, size, 3)."""
    side = canvas_side(size)
    plan, gap = _scene(rng)
    right, down = slope(blur(gap, 0.006))
    angle = np.arctan2(down, right)
    place = _settle(rng, angle)

    turn = at(angle, place[:, 0], place[:, 1]) + rng.normal(0, 0.05, len(place))
    colour = at(plan, place[:, 0], place[:, 1])
    colour = colour * rng.normal(1, 0.085, (len(place), 1)) + rng.normal(0, 0.02, (len(place), 3))
    canvas = Image.new(
        "RGBA", (side, side), (112, 102, 88, 0)
    )  # alpha carries the stone's number, then height
    tilt = Image.new("RGB", (side, side), (128, 128, 0))
    draw, slant = ImageDraw.Draw(canvas), ImageDraw.Draw(tilt)
    reach = 0.5 * 1.04 / ACROSS
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float32)
    fills = (np.clip(colour, 0, 1) * 255).astype(int).tolist()
    slants = np.clip(rng.normal(128, 30, (len(place), 2)), 0, 255).astype(int).tolist()
    for i, (px, py) in enumerate(place.tolist()):
        cut = corners * rng.uniform(0.80, 0.98, (4, 2)) * reach * (1, rng.uniform(0.88, 1.0))
        c, s = np.cos(turn[i]), np.sin(turn[i])
        shape = np.stack([px + cut[:, 0] * c - cut[:, 1] * s, py + cut[:, 0] * s + cut[:, 1] * c], -1) * side
        outline = shape.ravel().tolist()
        draw.polygon(outline, fill=(*fills[i], 255))
        slant.polygon(outline, fill=(*slants[i], 255))

    pixels = np.asarray(canvas).astype(np.float32) / 255
    stone = pixels[..., 3]
    lean = np.asarray(tilt).astype(np.float32)[..., :2] / 127.5 - 1
    grain = noise(rng, side, 150, octaves=3)
    vein = noise(rng, side, 30, octaves=4)
    height = blur(stone, 0.0022) * 0.0052 + grain * 0.00013
    lit, gloss = relief(height.astype(np.float32))
    shade = 0.30 + 0.70 * lit + stone * (0.16 * lean[..., 0] + 0.16 * lean[..., 1])  # no two lie level
    rgb = pixels[..., :3] * (shade * (1 + 0.035 * grain + 0.045 * vein * stone))[..., None]
    return finish(rgb + 0.10 * (gloss * stone)[..., None], size)


def _settle(rng: np.random.Generator, angle: Field) -> Field:
    """Centres of the stones (count, 2): Lloyd's algorithm with the rotated maximum norm of each stone."""
    axis = (np.arange(ACROSS) + 0.5) / ACROSS
    x, y = np.meshgrid(axis, axis)
    place = np.stack([x, y], -1).reshape(-1, 2) + rng.uniform(-0.25, 0.25, (ACROSS**2, 2)) / ACROSS
    side = angle.shape[0]
    reach = int(1.7 * side / ACROSS)
    step = np.arange(-reach, reach + 1, dtype=np.float32)
    for _ in range(ROUNDS):
        nearest = np.full((side + 2 * reach, side + 2 * reach), 1e9, np.float32)
        owner = np.zeros(nearest.shape, np.int32)
        turn = at(angle, place[:, 0], place[:, 1])
        cos, sin = np.cos(turn), np.sin(turn)
        for i, (px, py) in enumerate((place * side).tolist()):
            col, row = min(max(int(px), 0), side - 1), min(max(int(py), 0), side - 1)
            dx, dy = (step + (col + 0.5 - px))[None], (step + (row + 0.5 - py))[:, None]
            far = np.maximum(np.abs(dx * cos[i] + dy * sin[i]), np.abs(dy * cos[i] - dx * sin[i]))
            window = (slice(row, row + 2 * reach + 1), slice(col, col + 2 * reach + 1))
            closer = far < nearest[window]
            nearest[window][closer] = far[closer]
            owner[window][closer] = i
        owners = owner[reach:-reach, reach:-reach].ravel()
        share = np.bincount(owners, minlength=len(place))
        gx, gy = grid(side)
        middle = np.stack([np.bincount(owners, g.ravel(), len(place)) for g in (gx, gy)], -1)
        place = np.where(share[:, None] > 0, middle / np.maximum(share, 1)[:, None], place)
    return place


def _scene(rng: np.random.Generator) -> tuple[Field, Field]:
    """Colour plan (PLAN, PLAN, 3) and the field whose contours the rows follow."""
    x, y = grid(PLAN)
    swell = y + 0.045 * np.sin(6.3 * (1.5 * x + rng.uniform())) + 0.018 * noise(rng, PLAN, 3, octaves=2)
    crest = 0.5 + 0.5 * np.cos(swell * 2 * np.pi * 5)
    t = 0.80 + 0.12 * noise(rng, PLAN, 4, octaves=2) - 0.75 * smoothstep(0.80, 0.97, crest)
    plan = ramp(t.astype(np.float32), SEA)
    gap = np.full_like(x, 1.0)
    spots = ((0.32, 0.24), (0.68, 0.52), (0.33, 0.78))
    for number, (sx, sy) in enumerate(spots):
        long = rng.uniform(0.27, 0.33)
        heading = rng.uniform(-0.35, 0.35) + (np.pi if rng.uniform() < 0.5 else 0)
        dx, dy = x - sx - rng.uniform(-0.05, 0.05), y - sy - rng.uniform(-0.03, 0.03)
        u = (dx * np.cos(heading) + dy * np.sin(heading)) / long
        v = (dy * np.cos(heading) - dx * np.sin(heading)) / long
        v = (v if np.cos(heading) > 0 else -v) + 0.13 * np.sin(2.6 * u + 0.5)  # belly down; the body bends
        body = np.hypot(np.maximum(np.abs(u - 0.1) - 0.0, 0) / 0.92, v / 0.36) - 1
        body = np.abs(v) / 0.36 - (1 - ((u - 0.12) / 0.90) ** 2)
        body = np.where(np.abs(u - 0.12) < 0.9, body * 0.30, 0.3 * np.abs(v) + np.abs(u - 0.12) - 0.9)
        tail = np.maximum(
            np.abs(v) - 0.08 + 0.85 * (u + 0.62), np.maximum(-(u + 1.08) - 0.3 * np.abs(v), u + 0.6)
        )
        fin = np.maximum(
            np.abs(u - 0.05 + 0.6 * (v + 0.4)) - 0.26 * (0.75 + v + 0.3), np.abs(v + 0.36) - 0.13
        )
        shape = np.minimum(np.minimum(body, tail), fin) * long
        gap = np.minimum(gap, shape)
        tones = FISH[(number + int(rng.integers(3))) % 3] if number == 0 else FISH[(number) % 3]
        t = 0.42 + 1.0 * v + 0.14 * np.sin(u * 21) * (u < 0.45) - 0.3 * (body > 0)
        skin = ramp(t.astype(np.float32), tones)
        skin = np.where((np.abs(u - 0.52 - 0.4 * v**2) < 0.035)[..., None], OUTLINE, skin)
        plan = np.where((shape < 0)[..., None], skin, plan)
        plan = np.where((np.abs(shape + 0.002) < 0.009)[..., None], OUTLINE, plan)
        plan = np.where(
            ((shape > 0.007) & (shape < 0.026))[..., None], np.array([0.95, 0.91, 0.80], np.float32), plan
        )
        eye = np.hypot(u - 0.74, v + 0.05) * long
        plan = np.where((eye < 0.020)[..., None], np.array([0.96, 0.92, 0.82], np.float32), plan)
        plan = np.where((eye < 0.010)[..., None], OUTLINE, plan)
    follow = smoothstep(0.13, 0.07, gap)
    return plan.astype(np.float32), (gap * follow + swell * 0.8 * (1 - follow)).astype(np.float32)
