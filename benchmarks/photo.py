"""Do the lines of a photograph stay where they are, and are no others drawn?

    python benchmarks/photo.py --images DIR [--size 512] [--quality standard]

Each pair is painted by whole processes of the command, with the preset photo and with the default one. Beside them
stand the original project's results for the two cities (DIR/seed-results) and the photograph itself, at one size.

An edge is a pixel whose gradient of lightness (Oklab, after a Gaussian of 1 pixel) is the largest along its way;
the strong ones are as many as 4 % of all pixels, the faint ones 12 %. Kept: from each strong edge of the photograph
to the nearest edge of the result, faint ones included, that runs the same way to 30 degrees; new: the same from the
result's strong edges to the photograph's. Contrast may change, or turn about, without an edge moving. The style
loss is the default preset's, with its layers' weights: the photograph's own edges are perfect, and its style is
not.
Pictures go to benchmarks/.pictures, to be looked at.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto import color, images
from impasto.geometry import fit, resize
from impasto.inspection.judge import Judge
from machine import machine
from pairs import file_of

RESULTS = Path(__file__).parent / "results" / "photo.json"
PICTURES = Path(__file__).parent / ".pictures"
PAIRS = {
    "city_day_1": "style/city_night",
    "city_day_2": "style/city_night",
    "golden_gate": "content/hoovertowernight",
    "tubingen": "content/hoovertowernight",
}
SEED = {"city_day_1": "city_converted_to_night_1", "city_day_2": "city_converted_to_night_2"}
STRONG, FAINT = 0.04, 0.12
FARTHEST = 8  # pixels; what is farther counts as so far


def gradient(picture: Tensor) -> tuple[Tensor, Tensor]:
    """(magnitude, direction) of the lightness's gradient, (H, W) each; directions in radians."""
    lightness = color.oklab(picture)[:, :1]
    x = torch.arange(-3.0, 4.0)
    bell = torch.exp(-(x**2) / 2)
    bell = bell / bell.sum()
    smooth = F.pad(lightness, (4,) * 4, mode="replicate")
    smooth = F.conv2d(F.conv2d(smooth, bell.view(1, 1, 1, 7)), bell.view(1, 1, 7, 1))
    dx = (smooth[..., 1:-1, 2:] - smooth[..., 1:-1, :-2])[0, 0] / 2
    dy = (smooth[..., 2:, 1:-1] - smooth[..., :-2, 1:-1])[0, 0] / 2
    return torch.hypot(dx, dy), torch.atan2(dy, dx)


def maxima(magnitude: Tensor, direction: Tensor) -> Tensor:
    """The magnitude where it is the largest of three along the direction, to an eighth of a turn; else 0."""
    around = F.pad(magnitude, (1,) * 4)
    height, width = magnitude.shape
    eighth = (direction / (math.pi / 4)).round().long() % 4
    found = torch.zeros_like(magnitude)
    for number, (dy, dx) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        ahead = around[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        behind = around[1 - dy : 1 - dy + height, 1 - dx : 1 - dx + width]
        largest = (magnitude >= ahead) & (magnitude > behind) & (eighth == number)
        found[largest] = magnitude[largest]
    return found


def edges(picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where strong edges are, and where any are, (H, W) bool; and twice the direction as (2, H, W)."""
    magnitude, direction = gradient(picture)
    kept = maxima(magnitude, direction)
    order = kept.flatten().sort(descending=True).values
    strong, faint = (kept >= order[int(share * kept.numel())].clamp_min(1e-6) for share in (STRONG, FAINT))
    return strong, faint, torch.stack([torch.cos(2 * direction), torch.sin(2 * direction)])


def distances(start: tuple[Tensor, Tensor, Tensor], end: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """From each strong edge of one picture to the nearest edge of another that runs the same way, in pixels."""
    (strong, _, own), (_, faint, other) = start, end
    height, width = strong.shape
    around = F.pad(faint, (FARTHEST,) * 4)
    turned = F.pad(other, (FARTHEST,) * 4)
    found = torch.full((height, width), float(FARTHEST))
    for dy in range(-FARTHEST, FARTHEST + 1):
        for dx in range(-FARTHEST, FARTHEST + 1):
            distance = math.hypot(dy, dx)
            rows, columns = (
                slice(FARTHEST + dy, FARTHEST + dy + height),
                slice(FARTHEST + dx, FARTHEST + dx + width),
            )
            alike = (own * turned[:, rows, columns]).sum(0) >= 0.5  # the cosine of twice 30 degrees
            found[around[rows, columns] & alike & (found > distance)] = distance
    return found[strong]


def figures(found: Tensor) -> dict[str, float]:
    """Median, 95th percentile, and the shares beyond one and two pixels."""
    return {
        "median": round(float(found.median()), 2),
        "95th": round(float(found.quantile(0.95)), 2),
        "beyond 1": round(float((found > 1).float().mean()), 4),
        "beyond 2": round(float((found > 2).float().mean()), 4),
    }


def painted(photo: Path, style: Path, *, size: int, quality: str, preset: str, target: Path) -> Path:
    """What a preset paints."""
    command = [sys.executable, "-m", "impasto.apps.cli", "stylize", photo, style, "--size", size]
    command += ["--quality", quality, "--preset", preset, "-q", "-o", target]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    return target


def results(folder: Path, name: str, size: int, quality: str) -> Iterator[tuple[str, Path]]:
    """The pictures to compare, by what made them."""
    photo, style = file_of(folder, f"content/{name}"), file_of(folder, PAIRS[name])
    yield "photograph", photo
    for preset in ("photo", "impasto"):
        target = PICTURES / f"photo-{name}-{preset}-{size}-{quality}.png"
        yield preset, painted(photo, style, size=size, quality=quality, preset=preset, target=target)
    if name in SEED:
        yield "seed's result", file_of(folder, f"seed-results/{SEED[name]}")


def measured(folder: Path, name: str, size: int, quality: str) -> dict[str, Any]:
    """Each result of a pair."""
    photo = images.read(file_of(folder, f"content/{name}")).pixels
    at = fit((photo.shape[-2], photo.shape[-1]), size)
    own = edges(resize(photo, at))
    judge = Judge(resize(photo, at), str(file_of(folder, PAIRS[name])))
    found = {}
    for maker, path in results(folder, name, size, quality):
        shown = resize(images.read(path).pixels, at)
        theirs = edges(shown)
        layers = judge.recipe.style_layers.values()
        terms = [term for term in judge(shown).terms if term.name.startswith("style")]
        found[maker] = {
            "kept": figures(distances(own, theirs)),
            "new": figures(distances(theirs, own)),
            "style": round(sum(w * term.value for w, term in zip(layers, terms, strict=True)), 3),
        }
        print(name, maker, json.dumps(found[maker]), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--images", type=Path, required=True, help="a folder with content/, style/, seed-results/"
    )
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--quality", default="standard", choices=("standard", "draft"))
    parser.add_argument("--only", nargs="+", choices=PAIRS, metavar="NAME", default=list(PAIRS))
    arguments = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    pairs = json.loads(RESULTS.read_text())["pairs"] if RESULTS.exists() else {}
    for name in arguments.only:
        pairs[name] = measured(arguments.images, name, arguments.size, arguments.quality)
        said = {"size": arguments.size, "quality": arguments.quality, "farthest": FARTHEST}
        RESULTS.write_text(json.dumps({"machine": machine(), **said, "pairs": pairs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
