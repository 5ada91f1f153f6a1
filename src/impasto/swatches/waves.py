"""Woodblock waves: flat inks between carved lines, foam that curls, a graded sky, the grain of the block.

Waves are Gerstner's (a point of the surface moves on a circle), steep enough to lean over; every wave is a block
of flat tones between curves parallel to its crest. Colour blocks are printed a little beside the line block.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from impasto.swatches.field import Field, Picture, canvas_side, finish, grid, mix, noise, ramp, smoothstep

LINE = "#12224a"
FOAM = "#f4ecd8"
# From the crest down, far waves paler than near ones.
FAR = ("#dfe3d2", "#9fbcc4", "#6f9db5", "#4f84a8", "#3f7199", "#86a9b8")
NEAR = ("#cfdcd6", "#4f86b0", "#22558f", "#173b75", "#102a5c", "#2d6299", "#0d2350")
SKY = ("#8a8f93", "#c9bda2", "#e9dcba", "#f0e4c6", "#ecd9b4")
SUN = "#c8472f"

# Of each wave, back to front: height of its crest line in the picture, its size, number of swells across.
ROWS = ((0.50, 0.055, 4.6), (0.60, 0.085, 3.3), (0.72, 0.130, 2.3), (0.88, 0.190, 1.55))


def waves(rng: np.random.Generator, size: int) -> Picture:
    """Paint (size, size, 3) uint8."""
    side = canvas_side(size)
    _, y = grid(side)
    sky = ramp(np.clip(y / 0.62 + 0.03 * noise(rng, side, (2, 6), octaves=2), 0, 1), SKY)
    colour = Image.fromarray((sky * 255).astype(np.uint8))
    lines = Image.new("L", (side, side), 0)
    _sun(rng, colour, lines)
    for row, (level, height, swells) in enumerate(ROWS):
        tones = FAR if row < 2 else NEAR
        crest = _crest(rng, level, height, swells)
        _print(rng, colour, lines, crest, height=height, tones=tones)

    shift = max(1, round(0.0022 * side))  # the blocks never lie quite true
    flat = np.asarray(colour).astype(np.float32) / 255
    printed = np.pad(flat, ((shift, 0), (0, shift), (0, 0)), mode="edge")[:side, shift:]
    carved = np.asarray(lines).astype(np.float32) / 255
    ink = np.array(ImageColor.getrgb(LINE), np.float32) / 255
    # Ink lies thinner where the block's grain is open, and the paper shows through.
    grain = noise(rng, side, (3, 90), octaves=3) + 0.6 * noise(rng, side, (60, 220), octaves=2)
    paper = np.array([0.94, 0.89, 0.77], np.float32)
    worn = smoothstep(0.4, 2.4, grain) * 0.22
    out = mix(mix(printed, ink, 0.94 * carved), paper, worn)
    out = out * (1 + 0.018 * noise(rng, side, 160, octaves=2))[..., None]
    return finish(out, size)


def _sun(rng: np.random.Generator, colour: Image.Image, lines: Image.Image) -> None:
    side = colour.width
    cx, cy, r = rng.uniform(0.55, 0.85) * side, rng.uniform(0.16, 0.26) * side, 0.085 * side
    ImageDraw.Draw(colour).ellipse((cx - r, cy - r, cx + r, cy + r), fill=SUN)
    draw = ImageDraw.Draw(lines)
    for _ in range(7):  # streaks of cloud, a few parallel lines each
        x, y, long = rng.uniform(-0.1, 0.8), rng.uniform(0.06, 0.40), rng.uniform(0.15, 0.45)
        for offset in range(int(rng.integers(2, 5))):
            t = np.linspace(0, 1, 60)
            xs = (x + 0.03 * offset + long * t) * side
            ys = (y + 0.011 * offset + 0.006 * np.sin(5 * t + 7 * x)) * side
            draw.line(list(zip(xs, ys, strict=True)), fill=150, width=max(1, round(0.0022 * side)))


def _crest(rng: np.random.Generator, level: float, height: float, swells: float) -> Field:
    """Points (n, 2) of the surface from left to right, x and y in fractions of the side."""
    s = np.linspace(-0.3, 1.3, 1400)
    phase = 2 * np.pi * (swells * s + rng.random())
    # Swells differ, as real ones do, and lean the way the wind blows.
    big = 1 + 0.35 * np.sin(2 * np.pi * (0.55 * swells * s + rng.random()))
    a = height * big
    length = 1 / (2 * np.pi * swells)
    steep = np.minimum(a, 1.25 * length)
    x = s - 1.05 * steep * np.sin(phase) - 0.55 * a * np.maximum(np.cos(phase), 0) ** 3
    y = level - a * (np.cos(phase) * 0.9 + 0.35 * np.maximum(np.cos(phase), 0) ** 4)
    return np.stack([x, y], axis=1)


def _print(
    rng: np.random.Generator,
    colour: Image.Image,
    lines: Image.Image,
    crest: Field,
    *,
    height: float,
    tones: tuple[str, ...],
) -> None:
    """One wave: flat tones between curves below the crest, then foam along it."""
    side = colour.width
    paint, carve = ImageDraw.Draw(colour), ImageDraw.Draw(lines)
    fine = max(1, round(0.0026 * side * (0.6 + 3 * height)))
    # Each curve lies deeper than the one above and is calmer: the swell dies away downward.
    depths = np.cumsum(np.linspace(0.12, 0.75, 2 * len(tones))) * height * 0.85
    calm = crest[:, 1].mean()
    for number, depth in enumerate((0.0, *depths)):
        share = 1 / (1 + depth / (1.4 * height))
        curve = np.stack(
            [
                crest[:, 0] + 0.25 * depth,
                calm + (crest[:, 1] - calm) * share + depth + 0.004 * np.sin(90 * crest[:, 0] + 9 * number),
            ],
            axis=1,
        )
        points = [tuple(point) for point in curve * side]
        below = [*points, (1.6 * side, 2 * side), (-0.6 * side, 2 * side)]
        tone = tones[number % len(tones)]
        paint.polygon(below, fill=tone)
        carve.polygon(below, fill=0)
        carve.line(points, fill=255, width=fine if number else 2 * fine)
    _foam(rng, paint, carve, crest, side=side, height=height, fine=fine)


def _foam(
    rng: np.random.Generator,
    paint: ImageDraw.ImageDraw,
    carve: ImageDraw.ImageDraw,
    crest: Field,
    *,
    side: int,
    height: float,
    fine: int,
) -> None:
    """Foam on the crests, claws where the water falls over, and spray above."""
    top, bottom = crest[:, 1].min(), crest[:, 1].max()
    high = (bottom - crest[:, 1]) / (bottom - top)  # 1 on the crests, 0 in the troughs
    drops: list[tuple[float, float, float]] = []  # x, y, radius in pixels
    for i in range(0, len(crest), 3):
        lift = (high[i] - 0.5) / 0.5
        if lift <= 0:
            continue
        px, py = crest[i] * side
        for _ in range(2):
            r = side * height * (0.012 + 0.05 * lift) * rng.uniform(0.6, 1.4)
            drops.append((px + rng.normal(0, r), py + rng.uniform(-0.5, 2.2 * lift) * r, r))
        # Claws: chains of shrinking drops that hang over the steep side and hook back.
        if lift > 0.35 and rng.random() < 0.5:
            angle, link = rng.uniform(2.0, 2.9), side * height * (0.03 + 0.05 * lift)
            cx, cy = px, py + rng.uniform(0, 2) * link
            for step in range(6):
                drops.append((cx, cy, link * 0.42 * (1 - step / 7)))
                cx += link * 0.5 * np.cos(angle)
                cy += link * 0.5 * np.sin(angle)
                angle -= 0.33
    # All outlines first, then all white: the drops melt into one shape with a scalloped edge.
    for x, y, r in drops:
        carve.ellipse((x - r - fine, y - r - fine, x + r + fine, y + r + fine), fill=255)
    for x, y, r in drops:
        paint.ellipse((x - r, y - r, x + r, y + r), fill=FOAM)
        carve.ellipse((x - r, y - r, x + r, y + r), fill=0)
    # Some scallops are carved inside the foam as well.
    for x, y, r in drops[::5]:
        carve.arc((x - r, y - r, x + r, y + r), 20, 160, fill=150, width=max(1, fine // 2))
    for i in rng.choice(np.flatnonzero(high > 0.8), 40):
        x, y = crest[i] * side + rng.normal(0, 0.35 * height * side, 2)
        r = side * height * rng.uniform(0.006, 0.02)
        if y < crest[i, 1] * side:
            paint.ellipse((x - r, y - r, x + r, y + r), fill=FOAM)
