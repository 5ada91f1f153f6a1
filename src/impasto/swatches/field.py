"""Fields that all swatches use: noise, blur, gradients, lighting and colour ramps.

All lengths are fractions of the picture's side, and the noise lattice does not depend on the picture's size. The same
seed therefore gives the same composition at every size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

# Any array of floats: a plane is (side, side), a colour plane (side, side, 3) in 0..1.
Field = NDArray[Any]
Picture = NDArray[np.uint8]


def canvas_side(size: int) -> int:
    """Side of the canvas to draw on, a multiple of ``size``; reducing it later anti-aliases the drawing."""
    if size > 1280:
        return size  # a larger canvas would take gigabytes, and at this size aliasing is hardly visible
    return size * max(2, -(-512 // size))


def finish(rgb: Field, size: int) -> Picture:
    """Shrink a colour plane (side, side, 3) in 0..1 to the picture (size, size, 3)."""
    image = Image.fromarray((np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8))
    factor = image.width // size
    return np.asarray(image.reduce(factor) if factor > 1 else image).copy()


def grid(side: int) -> tuple[Field, Field]:
    """x to the right and y downward, each (side, side), at pixel centres in 0..1."""
    axis = ((np.arange(side) + 0.5) / side).astype(np.float32)
    x, y = np.meshgrid(axis, axis)
    return x, y


def noise(
    rng: np.random.Generator,
    side: int,
    cells: float | tuple[float, float],
    *,
    octaves: int = 4,
    gain: float = 0.5,
) -> Field:
    """Smooth noise (side, side), mean 0 and standard deviation 1, with ``cells`` lattice cells in (x, y)."""
    across, down = cells if isinstance(cells, tuple) else (cells, cells)
    total = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        wide, high = across * 2**octave, down * 2**octave
        lattice = rng.standard_normal((int(high) + 5, int(wide) + 5)).astype(np.float32)
        # exclude the two outermost rows, since resampling clamps at the lattice's edge
        plane = Image.fromarray(lattice).resize(
            (side, side), Image.Resampling.BICUBIC, box=(2, 2, 2 + wide, 2 + high)
        )
        total += gain**octave * np.asarray(plane)
    total -= total.mean()
    return np.asarray((total / (total.std() + 1e-6)).astype(np.float32))


def blur(plane: Field, radius: float) -> Field:
    """Approximate Gaussian blur of (side, side) by three box blurs; ``radius`` is the standard deviation."""
    reach = round(radius * plane.shape[0])
    if reach < 1:
        return plane
    coarse = max(1, reach // 3)
    if coarse > 1:  # a wide blur removes all detail that a smaller plane cannot represent
        side, small = plane.shape[0], plane.shape[0] // coarse
        shrunk = Image.fromarray(plane).resize((small, small), Image.Resampling.BOX)
        spread = blur(np.asarray(shrunk), radius)
        return np.asarray(Image.fromarray(spread).resize((side, side), Image.Resampling.BICUBIC))
    span = 2 * reach + 1
    for _ in range(3):
        wide = np.pad(plane, ((0, 0), (reach, reach)), mode="edge")
        plane = (
            sum((wide[:, k : k + plane.shape[1]] for k in range(1, span)), wide[:, : plane.shape[1]]) / span
        )
        high = np.pad(plane, ((reach, reach), (0, 0)), mode="edge")
        plane = sum((high[k : k + plane.shape[0]] for k in range(1, span)), high[: plane.shape[0]]) / span
    return np.asarray(plane, np.float32)


def at(plane: Field, x: Field, y: Field) -> Field:
    """Nearest-neighbour value of a plane, (side, side) or (side, side, 3), at each point, clamped at the edges."""
    side = plane.shape[0]
    column = np.clip((x * side).astype(np.int32), 0, side - 1)
    row = np.clip((y * side).astype(np.int32), 0, side - 1)
    return np.asarray(plane[row, column])


def slope(plane: Field) -> tuple[Field, Field]:
    """Gradient of (side, side) to the right and downward, per side of the picture."""
    down, right = np.gradient(plane)
    side = plane.shape[0]
    return (right * side).astype(np.float32), (down * side).astype(np.float32)


def ramp(t: Field, stops: Sequence[str]) -> Field:
    """Colour (..., 3) at t in 0..1 (clamped) along evenly spaced CSS colours."""
    table = np.array([ImageColor.getrgb(stop)[:3] for stop in stops], np.float32) / 255
    places = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(t, places, table[:, c]) for c in range(3)], -1).astype(np.float32)


def smoothstep(low: float, high: float, t: Field) -> Field:
    """0 below ``low``, 1 above ``high``, a smooth step between; falling where high < low."""
    t = np.clip((t - low) / (high - low), 0, 1)
    return np.asarray((t * t * (3 - 2 * t)).astype(np.float32))


def mix(first: Field, second: Field, amount: Field) -> Field:
    """Blend colour planes (side, side, 3) by an amount (side, side) in 0..1."""
    return np.asarray(first + (second - first) * amount[..., None])


def relief(height: Field) -> tuple[Field, Field]:
    """Lighting of a height field from the upper left: (diffuse, gloss), each (side, side).

    ``height`` is in fractions of the side. On level ground diffuse is 1 and gloss is 0.
    """
    right, down = slope(height)
    lit = (1.0 + 0.62 * right + 0.78 * down) / np.sqrt(1 + right**2 + down**2)
    half = (1.0 + 0.36 * right + 0.45 * down) / np.sqrt(1 + right**2 + down**2) / 1.155
    gloss = np.clip(half, 0, 1) ** 40 - 0.866**40
    return lit.astype(np.float32), np.clip(gloss, 0, 1).astype(np.float32)


def scatter(rng: np.random.Generator, across: int) -> tuple[Field, Field]:
    """x and y, each (across²,), of a jittered grid a little larger than the picture, in random order."""
    axis = np.linspace(-0.04, 1.04, across)
    x, y = (place.ravel() for place in np.meshgrid(axis, axis))
    shake = rng.uniform(-0.5, 0.5, (2, across * across)) * 1.08 / across
    order = rng.permutation(across * across)
    return (x + shake[0])[order].astype(np.float32), (y + shake[1])[order].astype(np.float32)
