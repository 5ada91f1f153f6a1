"""A landscape made by a program, as a content picture: sky, mountains, a wood, a cabin, a lake, a meadow, a pine.

It stands in for a photograph where none is at hand: it has large forms, fine texture, soft and hard edges, and light
from one side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

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

_SHORE = 0.435
"""Height of the far shore."""
_SUN = (0.70, 0.165)
_HAZE = np.array([0.93, 0.86, 0.78], np.float32)


def landscape(size: int = 768, *, seed: int = 3) -> Picture:
    """The landscape, uint8 sRGB, three quarters as high as wide.

    Args:
        size: width in pixels, a multiple of 4.
        seed: another seed gives other clouds, mountains and trees.
    """
    rng = np.random.default_rng([seed, *b"landscape"])
    side = canvas_side(size)
    scene = _sky(rng, side)
    scene = _mountains(rng, scene)
    scene = _wood(rng, scene)
    scene = _lake(rng, _cabin(scene))
    scene = _meadow(rng, scene)
    scene = _pine(rng, scene)
    grain = 0.005 * noise(rng, side, side / 3, octaves=1)
    return finish(scene + grain[..., None], size)[: size * 3 // 4]


def _image(scene: Field) -> Image.Image:
    return Image.fromarray((np.clip(scene, 0, 1) * 255).astype(np.uint8))


def _polygon(
    picture: Image.Image, corners: Sequence[tuple[float, float]], color: str | tuple[int, ...]
) -> None:
    """A filled polygon; its corners are fractions of the side."""
    ImageDraw.Draw(picture).polygon([(x * picture.width, y * picture.width) for x, y in corners], fill=color)


def _sky(rng: np.random.Generator, side: int) -> Field:
    x, y = grid(side)
    sky = ramp(y / _SHORE, ("#2a62a8", "#4f8ac6", "#8fb9dc", "#d8dcd6", "#fbd9a0"))
    to_sun = np.hypot(x - _SUN[0], 1.15 * (y - _SUN[1]))
    warm = np.array([1.0, 0.82, 0.55], np.float32)
    sky = mix(sky, 0 * sky + warm, 0.55 * np.exp(-to_sun / 0.13))
    mass = noise(rng, side, (2.4, 6.5), octaves=7, gain=0.52) - 0.4 + 1.1 * y
    cover = smoothstep(0.05, 1.0, mass) * smoothstep(0.47, 0.25, y)
    lit, _ = relief(blur(0.02 * mass.astype(np.float32), 0.004)[:, ::-1])  # the light comes from the right
    bright = np.clip(0.80 + 0.45 * (lit[:, ::-1] - 1) + 0.25 * np.exp(-to_sun / 0.2), 0, 1.05)
    cloud = ramp(bright, ("#6d7892", "#b6b4bf", "#fff4e2"))
    sky = mix(sky, cloud, 0.92 * cover)
    disc = 0.9 * np.exp(-((to_sun / 0.022) ** 4))
    return np.asarray(sky + disc[..., None] * np.array([1.0, 0.95, 0.8]), np.float32)


def _ridge(rng: np.random.Generator, side: int, cells: float, *, sharp: bool) -> Field:
    """A skyline (1, side), mean 0."""
    line = noise(rng, side, cells, octaves=7, gain=0.48)[side // 2 : side // 2 + 1]
    if sharp:
        line = 1.6 * (0.8 - np.abs(line)) + 0.3 * noise(rng, side, 3 * cells, octaves=5)[:1]
    return np.asarray(line)


def _mountains(rng: np.random.Generator, scene: Field) -> Field:
    side = scene.shape[0]
    _, y = grid(side)
    for top, rise, cells, colors, haze in (
        (0.285, 0.050, 2.2, ("#34446a", "#6f80a8", "#e0c3a0"), 0.34),
        (0.330, 0.036, 2.9, ("#22383f", "#4f6a62", "#b7a274"), 0.16),
        (0.385, 0.018, 3.1, ("#22382c", "#3f5b3a", "#87894f"), 0.10),
    ):
        peaked = cells < 3
        line = top - rise * _ridge(rng, side, cells, sharp=peaked)
        rocks = (
            noise(rng, side, (9, 13), octaves=7, gain=0.62)
            if peaked
            else noise(rng, side, 40, octaves=5, gain=0.8)
        )
        folds = 1 - np.abs(noise(rng, side, (5, 3), octaves=5, gain=0.5))
        lit, _ = relief((0.010 * rocks + 0.035 * folds).astype(np.float32)[:, ::-1])
        light = np.clip(0.46 + 0.95 * (lit[:, ::-1] - 1), 0, 1)
        stone = ramp(light, colors)
        if peaked:
            high = smoothstep(0.035, -0.02, y - line - 0.022 + 0.012 * rocks) * smoothstep(
                0.33, 0.22, line + 0 * y
            )
            stone = mix(stone, ramp(light, ("#8c9bc0", "#dbe2ee", "#fffaf0")), high)
        depth = np.clip((y - line) / 0.16, 0, 1)
        stone = mix(stone, 0 * stone + _HAZE, np.clip(haze + 0.35 * depth * haze, 0, 1))
        scene = mix(scene, stone, smoothstep(-0.0012, 0.0012, y - line))
    return scene


def _wood(rng: np.random.Generator, scene: Field) -> Field:
    """Conifers along the far shore."""
    side = scene.shape[0]
    picture = _image(scene)
    for row in range(3):
        for foot in np.sort(rng.uniform(-0.02, 1.02, 190)):
            high = (0.030 + 0.022 * rng.random()) * (1.0 - 0.18 * row) * (1 + 0.5 * np.cos(5.2 * foot + 0.7))
            base, shade = _SHORE - 0.008 + 0.005 * row, rng.uniform(0.7, 1.2) * (0.75 + 0.2 * row)
            dark, sunny = (tuple(int(c * shade) for c in rgb) for rgb in ((27, 46, 38), (66, 84, 44)))
            for step in range(6):  # tiers of branches
                top, low = base - high * (1 - step / 6.5), base - high * (0.72 - step / 7.2)
                wide = high * (0.06 + 0.038 * step)
                for color, left, right in ((dark, -wide, 0.25 * wide), (sunny, 0.1 * wide, wide)):
                    _polygon(picture, [(foot, top), (foot + left, low), (foot + right, low)], color)
    wood = np.asarray(picture, np.float32) / 255
    _, y = grid(side)
    return mix(scene, mix(wood, 0 * wood + _HAZE, 0.06 + 0 * y), (y < _SHORE).astype(np.float32))


def _cabin(scene: Field) -> Field:
    """A red cabin on the far shore, the one thing made by people."""
    picture = _image(scene)
    left, top, foot = 0.525, 0.392, _SHORE - 0.001
    corner, right = left + 0.052, left + 0.088  # where the two walls meet, and where the gable ends

    def box(x: float, y: float, far: float, low: float, color: str) -> None:
        _polygon(picture, [(x, y), (far, y), (far, low), (x, low)], color)

    box(left, top, corner, foot, "#8e2f26")
    box(corner, top, right, foot, "#c4503a")
    peak = left + 0.070, top - 0.026
    _polygon(picture, [(corner, top), peak, (right, top)], "#c4503a")
    eaves = (left - 0.004, top + 0.002), (corner + 0.001, top + 0.002)
    _polygon(
        picture, [eaves[0], (left + 0.014, top - 0.028), (left + 0.070, top - 0.028), eaves[1]], "#4c4a52"
    )
    verge = (left + 0.070, top - 0.030), (left + 0.091, top + 0.003)
    _polygon(picture, [*verge, (right, top + 0.003), peak], "#e9dcc6")
    box(left + 0.022, top - 0.042, left + 0.030, top - 0.022, "#6b4a42")  # the chimney
    for x in (left + 0.008, left + 0.030):
        box(x, top + 0.012, x + 0.012, top + 0.026, "#f2e6c8")
        box(x + 0.0015, top + 0.0135, x + 0.0105, top + 0.0245, "#3a4456")
    box(left + 0.064, top + 0.016, left + 0.077, foot, "#f0e4cc")
    box(left + 0.066, top + 0.018, left + 0.075, foot, "#6a4a34")
    return np.asarray(picture, np.float32) / 255


def _lake(rng: np.random.Generator, scene: Field) -> Field:
    """The scene mirrored below the shore, in ripples."""
    side = scene.shape[0]
    x, y = grid(side)
    near = np.clip((y - _SHORE) / 0.3, 0, 1)
    waves = noise(rng, side, (26, 190), octaves=3, gain=0.6)
    calm = smoothstep(-0.6, 0.9, noise(rng, side, (1.6, 9), octaves=3))
    bend = (0.0012 + 0.010 * near) * waves * (0.35 + 0.65 * calm)
    mirrored = np.clip(2 * _SHORE - y + 1.3 * bend, 0, _SHORE - 1e-3)
    row, column = (
        (mirrored * side).astype(np.int32),
        np.clip((x + 0.6 * bend) * side, 0, side - 1).astype(np.int32),
    )
    water = scene[row, column] * np.array([0.80, 0.88, 0.93])
    deep = np.array([0.08, 0.20, 0.27], np.float32)
    water = mix(water, 0 * water + deep, 0.12 + 0.50 * near**1.5)
    glint = smoothstep(1.0, 1.9, waves + 0.8 * np.exp(-(((x - _SUN[0]) / (0.03 + 0.12 * near)) ** 2)) - 0.2)
    path = np.exp(-(((x - _SUN[0]) / (0.03 + 0.10 * near)) ** 2))
    water = mix(
        water, 0 * water + np.array([1.0, 0.90, 0.68], np.float32), np.clip(0.85 * glint * path, 0, 1)
    )
    bank = _SHORE + 0.0035 + 0.002 * noise(rng, side, 14, octaves=4)[:1]
    beach = ramp(0.5 + 0.25 * noise(rng, side, 90, octaves=2), ("#5c5140", "#9c8a63"))
    scene = mix(scene, beach, (y > _SHORE - 0.004).astype(np.float32))
    return mix(scene, water, smoothstep(-0.0008, 0.0008, y - bank))


def _meadow(rng: np.random.Generator, scene: Field) -> Field:
    """Grass and flowers on the near bank."""
    side = scene.shape[0]
    x, y = grid(side)
    bank = 0.655 - 0.085 * smoothstep(0.62, 0.0, x) + 0.05 * smoothstep(0.72, 1.0, x)
    bank = bank + 0.006 * noise(rng, side, 7, octaves=4)[:1]
    ground = ramp(0.5 + 0.2 * noise(rng, side, (9, 26), octaves=5), ("#2c4a1e", "#5f7f2b", "#a3a843"))
    picture = _image(mix(scene, ground, smoothstep(-0.001, 0.002, y - bank)))
    draw = ImageDraw.Draw(picture)
    line = np.broadcast_to(bank, (side, side))[0]
    patches = noise(rng, side, 6, octaves=3)
    feet = rng.random((26_000, 2))
    feet[:, 1] = 0.54 + 0.23 * feet[:, 1] ** 0.8
    for foot_x, foot_y in feet[np.argsort(feet[:, 1])]:
        column, row = int(foot_x * side), min(int(foot_y * side), side - 1)
        if foot_y < line[column]:
            continue
        nearness = np.clip((foot_y - 0.54) / 0.22, 0.05, 1)
        high, lean = (0.010 + 0.030 * nearness) * rng.uniform(0.5, 1.0), rng.normal(0.15, 0.35)
        tone = np.clip(0.5 + 0.18 * patches[row, column] + rng.normal(0, 0.22), 0, 1)
        color = tuple(int(c) for c in np.array([38, 62, 24]) + tone * np.array([140, 118, 46]))
        tip = ((foot_x + lean * high) * side, (foot_y - high) * side)
        half = (0.0006 + 0.0011 * nearness) * side
        root = foot_x * side, foot_y * side
        draw.polygon([(root[0] - half, root[1]), (root[0] + half, root[1]), tip], fill=color)
        if rng.random() < 0.035 and patches[row, column] > -0.5:
            petals = ("#f7f3e6", "#f3c531", "#e0503c", "#b06ac0")[int(rng.choice(4, p=[0.4, 0.3, 0.2, 0.1]))]
            size = (0.0014 + 0.0038 * nearness) * side
            draw.ellipse(
                (tip[0] - size, tip[1] - 0.8 * size, tip[0] + size, tip[1] + 0.8 * size), fill=petals
            )
    return np.asarray(picture, np.float32) / 255


def _pine(rng: np.random.Generator, scene: Field) -> Field:
    """A tall pine at the left, against the light."""
    picture = _image(scene)
    foot, top, low = 0.155, 0.045, 0.635
    tip = (foot - 0.002, top), (foot + 0.002, top)
    _polygon(picture, [(foot - 0.012, low), *tip, (foot + 0.011, low)], "#4a3526")
    _polygon(picture, [(foot + 0.003, low), *tip, (foot + 0.011, low)], "#8a6442")
    for down in np.linspace(0.0, 1.0, 54):
        y = top + 0.01 + down * 0.50
        for way in (-1, 1):
            reach = (0.010 + 0.125 * down**0.9) * rng.uniform(0.65, 1.1)
            _branch(rng, picture, (foot, y), way * reach)
    return np.asarray(picture, np.float32) / 255


def _branch(rng: np.random.Generator, picture: Image.Image, root: tuple[float, float], reach: float) -> None:
    """A branch that droops, with needles; to the right it is in the sun."""
    draw, side = ImageDraw.Draw(picture), picture.width
    for along in np.linspace(-0.06, 1.0, max(5, int(abs(reach) * 460))):
        x = root[0] + reach * along
        y = root[1] + abs(reach) * (0.10 * along + 0.42 * along**2) - 0.10 * abs(reach) * (along > 0.9)
        sun = float(np.clip(0.5 + 14 * reach * along, 0, 1))
        for _ in range(6):
            tone = np.clip(0.14 + (0.24 + 0.36 * along) * sun + rng.normal(0, 0.14), 0, 1)
            color = tuple(int(c) for c in np.array([18, 36, 26]) + tone * np.array([120, 112, 48]))
            angle, length = rng.normal(1.35, 0.6), 0.006 + 0.011 * rng.random()
            end = x + np.sign(reach) * length * np.cos(angle), y + length * np.sin(angle)
            line = (x * side, y * side), (end[0] * side, end[1] * side)
            draw.line(line, fill=color, width=max(1, side // 620))
