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

# angle to the form's own lines, darkness at which the pen starts, lines across the picture
PASSES = ((0.0, 0.10, 74.0), (0.95, 0.40, 80.0), (-0.80, 0.58, 84.0), (0.45, 0.76, 90.0))


class Scene(NamedTuple):
    dark: Field
    """0 paper to 1 black, (side, side)."""
    relief: Field
    """How far the form bulges towards the eye, in sides."""
    lean: Field
    """The angle of the form's own lines, in radians."""
    edge: Field
    """Outlines, 0..1."""
    form: Field
    """Which form each pixel shows, whole numbers."""


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
    """Ink 0..1 along whole values of a phase: wider where darker, and thinned out where they crowd."""
    right, down = slope(phase)
    steep = np.clip(np.hypot(right, down), count * 0.2, count * 12)
    # halve the lines wherever their density doubles; those about to go taper away first
    level = np.log2(steep / count)
    whole = np.floor(level)
    lane = phase / 2**whole
    line = np.round(lane)
    apart = np.abs(lane - line) / (steep / 2**whole)  # distance to the line's middle, in sides
    fade = np.where(line.astype(np.int64) % 2 != 0, np.clip(1.6 * (1 - (level - whole)), 0, 1), 1)
    # every line is a stroke of its own: it starts later or sooner, and is lifted now and then
    own = rng.uniform(-0.09, 0.09, 997).astype(np.float32)[line.astype(np.int64) % 997]
    lift = 0.05 * noise(rng, phase.shape[0], 14, octaves=3)
    width = 0.36 / count * smoothstep(start, start + 0.62, dark + own + lift) ** 0.75 * fade
    side = phase.shape[0]
    return np.asarray(np.clip((width - apart) * side + 0.5, 0, 1) * (width * side > 0.25))


def _scene(rng: np.random.Generator, side: int) -> Scene:
    """A sun, drifting cloud, folded hills and round trees with their shadows, back to front."""
    x, y = grid(side)
    sun_x, sun_y = rng.uniform(0.25, 0.75), rng.uniform(0.15, 0.22)
    to_sun = np.hypot(x - sun_x, y - sun_y)
    drift = noise(rng, side, (1.6, 3.2), octaves=3)
    dark = np.clip(0.14 + 0.17 * drift + 0.38 * smoothstep(0.12, 0.55, to_sun) - 0.25 * y, 0, 0.62)
    dark = np.where(to_sun < 0.075, 0, dark)
    bulge = 0.05 * drift
    lean = np.zeros_like(x)
    form = np.zeros_like(x)
    edge = _contour(np.abs(to_sun - 0.075), 0.0013)

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
            0.20 + 0.20 * near + 0.42 * right + 0.30 * np.exp(-below / 0.035) - 0.9 * np.clip(below, 0, 0.16)
        )
        dark = np.where(inside, np.clip(shade, 0.02, 0.85), dark)
        bulge = np.where(inside, 0.055 * fold + 0.6 * np.sqrt(np.clip(below, 0, 1)) * 0.25, bulge)
        lean = np.where(inside, 0.25 * (-1) ** number + 0.2, lean)
        form = np.where(inside, 1 + number, form)
        edge = np.where(inside, 0, edge)
        edge = np.maximum(edge, _contour(np.abs(below), 0.0010 + 0.0011 * near))
        for _ in range((7, 6, 4, 3, 2)[number]):
            size = (0.018, 0.030, 0.048, 0.075, 0.10)[number] * rng.uniform(0.75, 1.25)
            tx = rng.uniform(0.0, 1.0)
            ground = float(ridge[0, min(side - 1, int(tx * side))]) + size * rng.uniform(0.3, 0.9)
            cast = np.exp(
                -(((x - tx - 1.5 * size) / (1.7 * size)) ** 2) - ((y - ground) / (0.26 * size)) ** 2
            )
            dark = np.maximum(dark, 0.95 * cast * inside)
            stem = (np.abs(x - tx) < 0.09 * size) & (y < ground) & (y > ground - size)
            cx, cy = (x - tx) / size, (y - ground + 1.55 * size) / (1.12 * size)
            rough = 0.10 * noise(rng, side, min(0.55 / size, 60), octaves=3)
            far = np.hypot(cx, cy) + rough
            ball = np.sqrt(np.clip(1 - far**2, 0, 1))
            leaf = 0.50 + 0.42 * cx + 0.34 * cy - 0.30 * ball + 1.2 * rough
            crown = far < 1
            dark = np.where(crown, np.clip(leaf, 0.03, 1), np.where(stem, 0.97, dark))
            bulge = np.where(crown, size * (0.9 * ball + 1.5 * rough), bulge)
            lean = np.where(crown, 0.5, lean)
            form = np.where(crown | stem, form.max() + 1, form)
            edge = np.where(crown | stem, 0, edge)
            edge = np.maximum(
                edge, _contour(np.abs(far - 1) * size, 0.0005 + 0.012 * size) * smoothstep(-1.3, 0.4, cx + cy)
            )
    return Scene(
        dark.astype(np.float32), blur(bulge.astype(np.float32), 0.002), lean.astype(np.float32), edge, form
    )


def _contour(apart: Field, width: float) -> Field:
    side = apart.shape[0]
    return np.asarray(np.clip((width - apart) * side + 0.5, 0, 1).astype(np.float32))
