"""Stained glass: a sun over hills and a river, streaky panes held in lead."""

from __future__ import annotations

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
    ramp,
    relief,
    smoothstep,
)

SUN = ("#fff3b8", "#ffd24a", "#f59a1c", "#e2571a")
SKY = ("#ffcf6b", "#f08a4b", "#c9425b", "#7b2f86", "#3b2f9c", "#1b3fae", "#0e2f86")
HILLS = (
    ("#4a6fc9", "#3d4fae", "#6a58b8"),
    ("#1f8f8a", "#15706f", "#3aa38a"),
    ("#2f9a4a", "#1d7a3a", "#86b53a"),
    ("#0f5a3a", "#17452f", "#4c8a2a"),
)
RIVER = ("#8fe3ee", "#3fb6dc", "#1d7fc4", "#d9f4ea")


def glass(rng: np.random.Generator, size: int) -> Picture:
    """Swatch of leaded glass, uint8 (size, size, 3)."""
    side = canvas_side(size)
    region, pane, colour = _design(rng, side)
    lead = _lead(rng, pane, 0.0030, 0.30)
    lead = np.maximum(lead, _lead(rng, region, 0.0052, 0.26))

    count = int(pane.max()) + 1
    x, y = grid(side)
    # each pane has its own direction of streaks
    turn = rng.uniform(0, np.pi, count).astype(np.float32)[pane]
    streaks = [
        noise(rng, side, cells, octaves=4, gain=0.6) for cells in ((3.0, 26.0), (26.0, 3.0), (9.0, 9.0))
    ]
    streak = np.where(turn < 1.2, streaks[0], np.where(turn < 2.1, streaks[1], streaks[2]))
    lean = np.cos(turn * 2) * (x - 0.5) + np.sin(turn * 2) * (y - 0.5)
    lean_mean = np.bincount(pane.ravel(), lean.ravel(), count) / np.maximum(np.bincount(pane.ravel()), 1)
    lean = np.clip((lean - lean_mean.astype(np.float32)[pane]) / 0.06, -1.5, 1.5)

    value = rng.normal(1, 0.13, count).astype(np.float32)[pane]
    light = value * (1 + 0.13 * lean + 0.10 * streak + 0.08 * noise(rng, side, 1.5, octaves=2))
    near = blur(lead, 0.010)
    light *= 1.12 - 0.62 * near  # grime gathers along the leads, light pools in mid-pane
    rgb = colour * light[..., None]
    pale = np.clip(0.09 * lean + 0.11 * streak - 0.02, 0, 0.5)
    rgb = mix(rgb, np.ones_like(rgb) * np.array([1.0, 0.97, 0.86], np.float32), pale.astype(np.float32))
    surface = noise(rng, side, 24, octaves=4) * 0.0011
    lit, gloss = relief(surface.astype(np.float32))
    rgb = rgb * (0.72 + 0.28 * lit[..., None]) + 0.16 * gloss[..., None]

    came = blur(lead, 0.0022) * 0.010 + noise(rng, side, 130, octaves=2) * 0.00016
    lit, gloss = relief(came.astype(np.float32))
    metal = np.array([0.085, 0.082, 0.092], np.float32) * lit[..., None] + 0.42 * gloss[..., None]
    return finish(mix(rgb, metal, lead), size)


def _design(rng: np.random.Generator, side: int) -> tuple[Field, Field, Field]:
    """Region and pane numbers (side, side) and each pane's colour (side, side, 3)."""
    x, y = grid(side)
    sway = 0.012 * noise(rng, side, 4, octaves=2)
    cx, cy = rng.uniform(0.3, 0.7), rng.uniform(0.24, 0.36)
    far = np.hypot(x - cx, y - cy) + sway
    bearing = (np.arctan2(y - cy, x - cx) + 0.16 * noise(rng, side, 3, octaves=1) * far) / (2 * np.pi) + 0.5

    edges = np.cumsum(np.concatenate([[0.055], rng.uniform(0.05, 0.105, 14)]))
    ring = np.searchsorted(edges, far).astype(np.int32)
    cuts = np.array([1, 9, *(rng.integers(11, 17) + 2 * k for k in range(14))])
    offset = rng.uniform(0, 1, 16)
    ray = np.floor(bearing * cuts[ring] + offset[ring]).astype(np.int32) % cuts[ring]
    region, pane = ring // 3, ring * 64 + ray
    heat = np.clip((ring - 2 + rng.normal(0, 0.55, 4096)[pane]) / 8, 0, 1)
    colour = np.where((ring < 2)[..., None], ramp(ring / 3.0 + 0.2 * (ray % 2), SUN), ramp(heat, SKY))

    top = rng.uniform(0.5, 0.58)
    for number, tones in enumerate(HILLS):
        wave = noise(rng, side, 1.6 + 0.5 * number, octaves=2)[:1]
        ridge = top + number * 0.125 + 0.038 * wave
        below = y - ridge + 0.3 * sway
        band = np.floor(below / rng.uniform(0.055, 0.075)).astype(np.int32)
        cut = x * rng.uniform(5, 8) + rng.uniform(-3, 3) * below + 2 * sway / 0.05 + 0.47 * band
        slot = 1024 + number * 256 + np.clip(band, 0, 7) * 16 + np.floor(cut).astype(np.int32) % 16
        tint = ramp(rng.uniform(0, 1, 4096)[slot], tones)
        inside = below > 0
        region = np.where(inside, 10 + number, region)
        pane = np.where(inside, slot, pane)
        colour = np.where(inside[..., None], tint, colour)

    # the river widens as it winds down from the farthest ridge to the foot of the picture
    depth = np.clip((y - top - 0.10) / (0.9 - top), 0, 1)
    swing = 0.13 * np.sin(depth * rng.uniform(5.5, 7.5) + rng.uniform(0, 6)) * (0.4 + depth)
    middle = np.float32(rng.uniform(0.4, 0.6)) + swing
    across = (x - middle) / (0.045 + 0.20 * depth**1.2)
    inside = (np.abs(across) < 1) & (y > top + 0.10)
    strand = np.clip(np.floor(across * 1.0 + 1.0 + 0.4 * np.sin(depth * 9)), 0, 7).astype(np.int32)
    length = np.floor(depth**0.7 * 5 + rng.uniform(0, 1, 8)[strand]).astype(np.int32)
    slot = 2400 + strand * 32 + length
    tint = ramp(rng.uniform(0, 1, 4096)[slot], RIVER)
    region = np.where(inside, 20, region)
    pane = np.where(inside, slot, pane)
    return region, pane, np.where(inside[..., None], tint, colour).astype(np.float32)


def _lead(rng: np.random.Generator, label: Field, width: float, level: float) -> Field:
    """Leads (side, side) in 0..1 along the borders of labels; the blur rounds the solder at joints."""
    border = np.zeros(label.shape, np.float32)
    border[:, 1:] = label[:, 1:] != label[:, :-1]
    border[1:] = np.maximum(border[1:], label[1:] != label[:-1])
    side = label.shape[0]
    spread = blur(border, width) * (width * side * 2.6)
    spread = spread * (1 + 0.16 * noise(rng, side, 7, octaves=2))
    return smoothstep(level * 0.82, level * 1.18, spread)
