"""Woodblock print: breaking waves with claws of foam, flat inks, a wiped gradient, the block's grain."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from impasto.swatches.field import (
    Field,
    Picture,
    canvas_side,
    finish,
    grid,
    mix,
    noise,
    ramp,
    smoothstep,
)

PAPER = "#efe3c4"
FOAM = "#f4ecd6"
BLUES = ("#16305f", "#2a5487", "#5d8fae", "#a9c4c2", "#1d3f73", "#3f709c", "#dfe0c8", "#254a80", "#7ba5b6")
KEY = (0.065, 0.085, 0.20)

# a wave that breaks to the right, one wide and one high: its back up to the tip, then its hollow face
BACK = (
    (-1.3, 0.0),
    (-0.9, 0.07),
    (-0.52, 0.34),
    (-0.22, 0.72),
    (0.03, 0.95),
    (0.27, 1.0),
    (0.46, 0.92),
    (0.57, 0.70),
)
FACE = (
    (1.25, 0.0),
    (0.85, 0.0),
    (0.50, 0.06),
    (0.26, 0.22),
    (0.16, 0.44),
    (0.21, 0.63),
    (0.34, 0.74),
    (0.57, 0.70),
)

Path = NDArray[np.float64]  # points (count, 2), x to the right and y downward


class Print:
    """Two plates of one sheet: the colours, and the dark key block printed over them."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.tone = Image.new("RGBA", (side, side), (0, 0, 0, 0))
        self.key = Image.new("L", (side, side), 0)
        self._tone, self._key = ImageDraw.Draw(self.tone), ImageDraw.Draw(self.key)

    def area(self, outline: Path, colour: str) -> None:
        """A flat area; it also erases the key block beneath it."""
        flat = (outline * self.side).ravel().tolist()
        self._tone.polygon(flat, fill=colour)
        self._key.polygon(flat, fill=0)

    def line(self, path: Path, width: float, *, taper: bool = True) -> None:
        """A line of the key block, widest in its middle."""
        along = np.gradient(path, axis=0)
        along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
        girth = np.sin(np.linspace(0.12, np.pi - 0.12, len(path))) ** 0.6 if taper else np.ones(len(path))
        edge = np.stack([-along[:, 1], along[:, 0]], 1) * (girth * width / 2)[:, None]
        self._key.polygon(
            (np.concatenate([path + edge, (path - edge)[::-1]]) * self.side).ravel().tolist(), fill=255
        )

    def blobs(self, middles: Path, radii: Path, colour: str, rim: float) -> None:
        """The union of discs, with a common outline."""
        for grow, pen, fill in ((rim, self._key, 255), (0.0, self._key, 0), (rim * 0.5, self._tone, colour)):
            for (x, y), r in zip(
                (middles * self.side).tolist(), ((radii + grow) * self.side).tolist(), strict=True
            ):
                pen.ellipse((x - r, y - r, x + r, y + r), fill=fill)


def waves(rng: np.random.Generator, size: int) -> Picture:
    """Swatch of woodblock waves, uint8 (size, size, 3)."""
    side = canvas_side(size)
    sheet = Print(side)
    facing = int(rng.choice([-1, 1]))
    _sun(rng, sheet, facing)
    for base, height, count in ((0.60, 0.10, 4), (0.70, 0.17, 3)):
        for step in range(count):
            x = (step + 0.5 + rng.uniform(-0.2, 0.2)) / count
            _wave(rng, sheet, x, base + rng.uniform(-0.02, 0.02), height * rng.uniform(0.85, 1.15), facing)
        _swell(rng, sheet, base, 0.10 * height, facing)
    _wave(rng, sheet, 0.5 - facing * rng.uniform(0.16, 0.22), 0.86, rng.uniform(0.60, 0.68), facing)
    _swell(rng, sheet, 0.84, 0.035, facing)
    _wave(rng, sheet, 0.5 + facing * rng.uniform(0.30, 0.38), 0.93, rng.uniform(0.24, 0.30), facing)
    _swell(rng, sheet, 0.93, 0.03, facing)
    _wave(rng, sheet, 0.5 - facing * rng.uniform(0.25, 0.40), 1.03, rng.uniform(0.18, 0.22), facing)
    return finish(_pull(rng, sheet), size)


def _pull(rng: np.random.Generator, sheet: Print) -> Field:
    """Ink the blocks and press the paper: wiped sky, grain, uneven pressure, plates a little apart."""
    side = sheet.side
    x, y = grid(side)
    sky = ramp(
        np.clip(y / 0.62 + 0.02 * noise(rng, side, (2, 5)), 0, 1),
        ("#2b4f7c", "#9db7b4", "#e6dcbc", PAPER, "#ecc9a0"),
    )
    shift = [max(1, round(s * side)) for s in rng.uniform(0.0008, 0.0022, 2)]
    tone = np.asarray(sheet.tone).astype(np.float32) / 255
    plate = np.pad(tone, ((shift[0], 0), (shift[1], 0), (0, 0)), mode="edge")[:side, :side]
    key = np.asarray(sheet.key).astype(np.float32) / 255
    rgb = mix(sky, plate[..., :3], plate[..., 3])

    bend = 0.05 * noise(rng, side, (1.5, 3), octaves=2)
    knot = np.hypot((x - rng.uniform(0.2, 0.8)) * 0.5, y - rng.uniform(0.2, 0.8))
    grain = np.sin((y + bend + 0.06 * np.exp(-((knot / 0.12) ** 2))) * 320) * 0.5 + 0.5 * noise(
        rng, side, (5, 190), octaves=2
    )
    ink = 1 - rgb.mean(-1)  # the grain shows where ink lies, and the ink lies thin where pressure was light
    starved = smoothstep(1.0, 2.6, noise(rng, side, (40, 170), octaves=2) + 0.7 * grain) * 0.22 * ink
    rgb = rgb * (1 + (0.055 * grain * ink + 0.05 * noise(rng, side, 5) * ink)[..., None])
    rgb = mix(rgb, np.zeros_like(rgb) + ramp(np.zeros(1), (PAPER,)), starved)
    rgb = mix(
        rgb, np.zeros_like(rgb) + np.array(KEY, np.float32), key * (0.93 + 0.07 * np.clip(grain, -1, 1))
    )
    return rgb * (1 + 0.016 * noise(rng, side, 140, octaves=2) + 0.02 * noise(rng, side, 4))[..., None]


def _sun(rng: np.random.Generator, sheet: Print, facing: int) -> None:
    turn = np.linspace(0, 2 * np.pi, 90)
    middle = np.array([0.5 + facing * rng.uniform(0.22, 0.30), rng.uniform(0.17, 0.24)])
    sheet.area(middle + 0.085 * np.stack([np.cos(turn), np.sin(turn)], 1), "#c9503a")
    for _ in range(5):  # bands of mist, as flat as the sun
        x, y = middle + rng.uniform(-0.3, 0.3) * np.array([1, 0]) + np.array([0, rng.uniform(-0.05, 0.22)])
        long, thick = rng.uniform(0.10, 0.24), rng.uniform(0.006, 0.012)
        t = np.linspace(-1, 1, 40)
        lid = thick * (1 - t**4) * (1 + 0.25 * np.sin(5 * t))
        sheet.area(
            np.concatenate(
                [np.stack([x + long * t, y - lid], 1), np.stack([x + long * t, y + lid], 1)[::-1]]
            ),
            "#e9dfc2",
        )


def _wave(rng: np.random.Generator, sheet: Print, x: float, base: float, height: float, facing: int) -> None:
    wide = height * rng.uniform(0.95, 1.15)

    def placed(points: Path) -> Path:
        return np.asarray(np.array([x, base]) + points * np.array([facing * wide, -height]))

    sway = rng.normal(0, 0.018, (8, 2))
    sway[-1] = 0
    back = _through(np.array(BACK) + sway)
    face = _through(np.array(FACE) + np.roll(sway, 3, 0) * (np.arange(8) < 7)[:, None])
    foot = np.array([[0.0, -1.8]])
    sheet.area(placed(np.concatenate([back[:1] + foot, back, face[::-1], face[:1] + foot])), BLUES[0])

    # stripes of water climb from the trough and run together at the tip
    cuts = np.cumsum(rng.uniform(0.5, 1.6, 11))
    cuts = np.concatenate([[0.0], cuts / cuts[-1]])
    for number, (low, high) in enumerate(pairwise(cuts)):
        first, second = back + (face - back) * low, back + (face - back) * high
        band = np.concatenate([first[:1] + foot, first, second[::-1], second[:1] + foot])
        sheet.area(placed(band), BLUES[number % len(BLUES)])
    for low in cuts[1:-1:2]:
        sheet.line(placed(back + (face - back) * low), 0.0016 + 0.0022 * height)
    sheet.line(placed(back), 0.003 + 0.003 * height, taper=False)
    sheet.line(placed(face), 0.002 + 0.003 * height, taper=False)
    crest, under = placed(back[44:]), placed(face[-22:])
    _foam(rng, sheet, crest[-1], crest, under, height, facing)


def _swell(rng: np.random.Generator, sheet: Print, level: float, height: float, facing: int) -> None:
    """Water between the breakers, bands that grow calmer and wider downward; it hides the waves' feet."""
    x = np.linspace(-0.02, 1.02, 240)
    phase = 2 * np.pi * (x * rng.uniform(1.3, 1.9) + rng.uniform()) * facing
    rise = np.abs(np.sin(phase / 2)) ** 0.8 + 0.25 * np.sin(
        2.3 * phase + rng.uniform(0, 6)
    )  # cusps, as wind makes
    depth = 0.0
    start = int(rng.integers(len(BLUES)))
    for number in range(9):
        y = level + depth + height * (1.6 * rise * np.exp(-depth / (3 * height)) - 0.4)
        curve = np.stack([x, y], 1)
        sheet.area(np.concatenate([curve, [[1.02, 1.2], [-0.02, 1.2]]]), BLUES[(start + number) % len(BLUES)])
        if number % 2 == 0:
            sheet.line(curve, 0.0022 + 0.03 * height, taper=False)
        depth += height * (0.30 + 0.13 * number) * rng.uniform(0.6, 1.4)


def _foam(
    rng: np.random.Generator, sheet: Print, tip: Path, crest: Path, under: Path, height: float, facing: int
) -> None:
    """Foam along the crest, claws that reach forward and down from it, and spray ahead of it."""
    rim = 0.0012 + 0.0016 * height
    share = np.linspace(0, 1, len(crest))
    radii = height * (0.012 + 0.046 * np.sin(share * np.pi * 0.62 + 0.2) ** 2)
    bumps = radii * rng.uniform(0.75, 1.25, len(crest))
    middles = [crest + rng.normal(0, 0.006, crest.shape) * height, under]
    sizes = [bumps, height * rng.uniform(0.020, 0.034, len(under))]
    roots = np.concatenate([crest[len(crest) // 4 :: 2], under[::2]])
    for root in roots:
        # a claw: discs that shrink along a hook curling back on itself
        long = height * rng.uniform(0.06, 0.19)
        aim = np.arctan2(*(root - tip + np.array([facing * 0.10, -0.16]) * height)[::-1])
        aim = aim if np.linalg.norm(root - tip) > 0.5 * height else aim + facing * rng.uniform(0.0, 0.9)
        t = np.linspace(0, 1, 9)
        bend = aim + facing * (0.1 + 2.1 * t**1.4)
        hook = root + long * np.cumsum(np.stack([np.cos(bend), np.sin(bend)], 1), 0) / len(t)
        middles.append(hook)
        sizes.append(height * (0.022 * (1 - t) ** 0.8 + 0.005))
    sheet.blobs(np.concatenate(middles), np.concatenate(sizes), FOAM, rim)
    for root in roots[::3]:  # inner curls, so that the foam is not a blank
        t = np.linspace(0, 1, 12)
        spin = rng.uniform(0, 6.3) + facing * 3.6 * t
        curl = root + height * 0.028 * (1 - 0.6 * t)[:, None] * np.stack([np.cos(spin), np.sin(spin)], 1)
        sheet.line(curl, 0.0016 + 0.0016 * height)
    for _ in range(int(30 + 90 * height)):
        spot = tip + np.array([facing * rng.normal(0.12, 0.30), rng.normal(-0.02, 0.22)]) * height
        sheet.blobs(spot[None], np.array([height * rng.uniform(0.003, 0.010)]), FOAM, 0.4 * rim)


def _through(points: Path, steps: int = 12) -> Path:
    """A smooth curve through the points (Catmull-Rom)."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        pieces.append(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * (b - c) + d - a) * t**3)
        )
    return np.concatenate([*pieces, points[-1:]])
