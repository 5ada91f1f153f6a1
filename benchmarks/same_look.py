"""Does a large picture look like its own preview? The distance of each size, reduced, from the one painted at 512.

    python benchmarks/same_look.py --images DIR [--sizes 1024 2048]

The distance is Σ over five layers of |G − G₀|² / |G₀|², G being the Gram matrix per pixel and G₀ that of the preview,
both at 512 pixels. Beside it stands what it means: the same distance of the photograph, of the preview painted with
strokes of half and of double the size, and of a large picture whose style was left at the preview's size.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from impasto import images
from impasto.encoders.vgg import VGG
from impasto.encoders.weights import load
from machine import machine

HERE = Path(__file__).parent
LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
PREVIEW = 512
PAIR = ("tubingen.jpg", "starry_night_google.jpg")


def gram(network: VGG, path: Path) -> dict[str, Tensor]:
    """Layer -> G of the picture reduced to the preview's size."""
    with Image.open(path) as opened:
        scale = PREVIEW / max(opened.size)
        size = (round(opened.width * scale), round(opened.height * scale))
        reduced = opened.convert("RGB").resize(size, Image.Resampling.BOX)
    with torch.no_grad():
        features = network(images.read(reduced).pixels, LAYERS)
    points = {layer: maps[0].flatten(1) for layer, maps in features.items()}
    return {layer: p @ p.T / p.shape[1] for layer, p in points.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True, help="a folder with content/ and style/")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 2048])
    arguments = parser.parse_args()
    folder = HERE / ".pictures"
    folder.mkdir(exist_ok=True)
    content, style = (
        arguments.images / kind / name for kind, name in zip(("content", "style"), PAIR, strict=True)
    )
    ways = {
        "512, the preview": ["--size", PREVIEW],
        **{str(size): ["--size", size] for size in arguments.sizes},
        "512, strokes of half the size": ["--size", PREVIEW, "--style-scale", 0.5],
        "512, strokes of double the size": ["--size", PREVIEW, "--style-scale", 2],
        "1024, the style as at 512": ["--size", 1024, "--style-size", PREVIEW],
    }
    network = VGG(load("vgg19")).to(dtype=torch.float32)
    pictures = {"the photograph": content}
    for name, options in ways.items():
        target = folder / f"look-{'-'.join(str(option).strip('-') for option in options)}.png"
        impasto = str(Path(sys.executable).with_name("impasto"))
        command = [impasto, "stylize", content, style, *options, "-q", "-o", target]
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
        pictures[name] = target
        print(name, target, flush=True)
    wanted = gram(network, pictures["512, the preview"])
    distances = {}
    for name, path in pictures.items():
        found = gram(network, path)
        shares = [(found[at] - wanted[at]).square().sum() / wanted[at].square().sum() for at in LAYERS]
        distances[name] = round(float(sum(shares)), 4)
    print(json.dumps(distances, indent=1))
    result = {"machine": machine(), "pair": PAIR, "distance from the preview": distances}
    (HERE / "results" / "same_look.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
