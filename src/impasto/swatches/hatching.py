"""Pen and ink: tapering lines that follow the forms, crossed where it is darker, on cream paper."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from impasto.swatches.field import (
    Field,
    Picture,
    blur,
    canvas_side,
    finish,
    grid,
    mix,
    noise,
    slope,
    smoothstep,
)

PAPER = np.array([0.957, 0.918, 0.824], np.float32)
INK = np.array([0.105, 0.085, 0.125], np.float32)
SEPIA = np.array([0.48, 0.215, 0.115], np.float32)

# angle to the contour lines of the form, darkness from which lines are drawn, lines across the picture
PASSES = ((0.0, 0.10, 74.0), (0.95, 0.40, 80.0), (-0.80, 0.58, 84.0), (0.45, 0.76, 90.0))


class Scene(NamedTuple):
    dark: Field
    """0 paper to 1 black, (side, side)."""
    relief: Field
    """Height of the form towards the viewer, in sides."""
    lean: Field
    """The angle of the form's contour lines, in radians."""
    edge: Field
    """Outlines, 0..1."""


def hatching(rng: np.random.Generator, size: int) -> Picture:
    """Swatch of cross-hatching, uint8 (size, size, 3)."""
    side = canvas_side(size)
    scene = _scene(rng, side)
    x, y = grid(side)
    tremble = 0.0016 * noise(rng, side, 16, octaves=3)  # no hand draws a straight line

    ink = np.zeros((side, side), np.float32)
    for turn, start, count in PASSES:
        angle = scene.lean + turn
        phase = count * (np.cos(angle) * y - np.sin(angle) * x + scene.relief + tremble)
        ink = np.maximum(ink, _lines(rng, phase, scene.dark, start, count))
    sepia = np.zeros_like(ink)
    for turn, start, count in ((0.3, 0.16, 52.0), (1.3, 0.62, 56.0)):
        phase = count * (np.cos(turn) * y - np.sin(turn) * x + 1.3 * scene.relief + tremble)
        sepia = np.maximum(sepia, 0.85 * _lines(rng, phase, scene.dark, start, count))

    pressure = 0.90 + 0.10 * noise(rng, side, 60, octaves=3)
    ink = np.clip(np.maximum(ink, scene.edge) * pressure, 0, 1)
    fibre = 0.014 * noise(rng, side, 110, octaves=3) + 0.012 * noise(rng, side, 5)
    rgb = PAPER * (1 + fibre[..., None] * np.array([1, 1.1, 1.5], np.float32))
    rgb = rgb * (
        1 - 0.13 * np.clip(scene.dark - 0.2, 0, 1)[..., None] * np.array([0.6, 0.9, 1.2], np.float32)
    )  # a thin wash
    rgb = mix(rgb, rgb * 0 + SEPIA, 0.75 * sepia)
    return finish(mix(rgb, rgb * 0 + INK, ink), size)


def _lines(rng: np.random.Generator, phase: Field, dark: Field, start: float, count: float) -> Field:
    """Ink 0..1 along integer values of a phase: lines are wider where it is darker, and fewer where they crowd."""
    right, down = slope(phase)
    steep = np.clip(np.hypot(right, down), count * 0.2, count * 12)
    # halve the lines wherever their density doubles; those about to go taper away first
    level = np.log2(steep / count)
    octave = np.floor(level)
    lane = phase / 2**octave
    line = np.round(lane)
    apart = np.abs(lane - line) / (steep / 2**octave)  # distance to the line's middle, in sides
    fade = np.where(line.astype(np.int64) % 2 != 0, np.clip(1.6 * (1 - (level - octave)), 0, 1), 1)
    # each line is a separate stroke: its start varies, and the pen is lifted here and there
    offset = rng.uniform(-0.09, 0.09, 997).astype(np.float32)[line.astype(np.int64) % 997]
    lift = 0.05 * noise(rng, phase.shape[0], 14, octaves=3)
    width = 0.36 / count * smoothstep(start, start + 0.62, dark + offset + lift) ** 0.75 * fade
    side = phase.shape[0]
    return np.asarray(np.clip((width - apart) * side + 0.5, 0, 1) * (width * side > 0.25))


def _scene(rng: np.random.Generator, side: int) -> Scene:
    """A sun, drifting cloud, folded hills and round trees with their shadows, back to front."""
    x, y = grid(side)
    sun_x, sun_y = rng.uniform(0.25, 0.75), rng.uniform(0.15, 0.22)
    to_sun = np.hypot(x - sun_x, y - sun_y)
    drift = noise(rng, side, (1.6, 3.2), octaves=3)
    dark = np.clip(0.21 + 0.17 * drift + 0.38 * smoothstep(0.12, 0.55, to_sun) - 0.25 * y, 0, 0.62)
    dark = np.where(to_sun < 0.075, 0, dark)
    bulge = 0.05 * drift
    rough = noise(rng, side, 42, octaves=2)
    lean = np.zeros_like(x)
    edge = _contour(np.abs(to_sun - 0.075) * side, 0.0013 * side)

    top = rng.uniform(0.40, 0.46)
    for number in range(5):
        near = number / 4
        ridge = (
            top
            + 0.105 * number
            + 0.045 * noise(rng, side, 1.7 + 0.3 * number, octaves=3)[:1] * (1 - 0.3 * near)
        )
        below = y - ridge
        fold = noise(rng, side, (4.5 - near, 1.6), octaves=2)
        right, _ = slope(fold * 0.05)
        inside = below > 0
        shade = (
            0.27 + 0.18 * near + 0.42 * right + 0.30 * np.exp(-below / 0.035) - 0.9 * np.clip(below, 0, 0.16)
        )
        dark = np.where(inside, np.clip(shade, 0.17, 0.85), dark)
        bulge = np.where(inside, 0.055 * fold + 0.6 * np.sqrt(np.clip(below, 0, 1)) * 0.25, bulge)
        lean = np.where(inside, 0.25 * (-1) ** number + 0.2, lean)
        edge = np.where(inside, 0, edge)
        edge = np.maximum(edge, _contour(np.abs(below) * side, (0.0010 + 0.0011 * near) * side))
        trees = []
        for _ in range((8, 7, 5, 3, 2)[number]):
            size = (0.014, 0.023, 0.036, 0.055, 0.075)[number] * rng.uniform(0.75, 1.25)
            tx = rng.uniform(0.0, 1.0)
            ground = float(ridge[0, min(side - 1, int(tx * side))]) + size * rng.uniform(0.3, 0.9)
            cast = np.exp(
                -(((x - tx - 1.5 * size) / (1.7 * size)) ** 2) - ((y - ground) / (0.26 * size)) ** 2
            )
            dark = np.maximum(dark, 0.95 * cast * inside)
            trees.append((tx, ground, size))
        scene = Scene(dark, bulge, lean, edge)
        for tx, ground, size in sorted(trees, key=lambda tree: tree[1]):
            _tree(rng, scene, rough, (tx, ground), size)
    return Scene(
        dark.astype(np.float32), blur(bulge.astype(np.float32), 0.002), lean.astype(np.float32), edge
    )


def _tree(
    rng: np.random.Generator, scene: Scene, rough: Field, foot: tuple[float, float], size: float
) -> None:
    """Draw a tree of leafy balls, the upper ones first, over the scene in place; light comes from the left."""
    side = rough.shape[0]
    x0, y0 = foot
    rows = slice(max(0, int((y0 - 3.4 * size) * side)), max(0, min(side, int(y0 * side) + 1)))
    cols = slice(max(0, int((x0 - 1.9 * size) * side)), max(0, min(side, int((x0 + 1.9 * size) * side))))
    dark, relief, lean, edge = (plane[rows, cols] for plane in scene)
    x, y = (plane[rows, cols] for plane in grid(side))
    bend = x - x0 - 0.06 * size * np.sin((y - y0) * 5 / size)
    stem = (np.abs(bend) < (0.07 + 0.05 * np.exp(4 * (y - y0) / size)) * size) & (y > y0 - 1.4 * size)
    dark[stem], edge[stem] = 0.62 + 0.35 * (bend[stem] > -0.02 * size), 0
    edge[:] = np.maximum(edge, 0.9 * (stem & (bend > 0.0)))
    lumps = [(0.0, -2.35, 0.62)]  # across, up, radius, in sizes
    for level, wide in ((-2.0, 0.75), (-1.6, 0.95), (-1.15, 0.75)):
        for share in rng.permutation([-1.0, 0.0, 1.0]):
            radius = rng.uniform(0.42, 0.66)
            lumps.append((share * wide * rng.uniform(0.6, 1.0), level + rng.uniform(-0.15, 0.15), radius))
    for across, up, share in lumps:
        radius = share * size
        dx, dy = (x - x0 - across * size) / radius, (y - y0 - up * size) / radius
        far = np.hypot(dx, dy) + 0.055 * rough[rows, cols] * (0.05 / radius) ** 0.3
        ball = np.sqrt(np.clip(1 - far**2, 0, 1))
        leaf = 0.45 + 0.36 * dx + 0.34 * dy - 0.22 * ball + 0.16 * across + 0.13 * (up + 1.8)
        crown = far < 1
        dark[crown] = np.clip(leaf, 0.02, 1)[crown]
        relief[crown] = (radius * ball)[crown]
        lean[crown] = 0.5
        edge[crown] = 0
        rim = _contour(np.abs(far - 1) * radius * side, (0.0004 + 0.009 * size) * side)
        edge[:] = np.maximum(edge, rim * smoothstep(-1.2, 0.5, dx + dy))


def _contour(apart: Field, width: float) -> Field:
    """A line 0..1 from the distance to its middle and its half width, both in pixels."""
    return np.asarray(np.clip(width - apart + 0.5, 0, 1).astype(np.float32))
