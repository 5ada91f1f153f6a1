"""How far does a style run over the border into the region beside it?

    python benchmarks/bleeding.py --images DIR [--size 384] [--quality draft] [--ways seen shrunk …]

Each photograph is painted with one style on its left half and another on its right, by several kinds of guides, and
with each style alone. The picture is then cut into strips along the border. The statistics of a strip, channel by
channel the mean and the deviation of relu1_1, relu2_1 and relu3_1, are written as

    the photograph's + own × (one style's − the photograph's) + other × (the other style's − the photograph's)

by least squares, with those of the same strip of the pictures of one style: "own" is 1 and "other" 0 where nothing
runs over, both are 0 where there is no style at all. "pasted" is made of the two pictures of one style, cut at the
border: what it differs by near the border is the measure's own blur. Pictures go to benchmarks/.pictures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Collection
from pathlib import Path
from unittest.mock import patch

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

import impasto
from impasto import images
from impasto.assembly.networks import build_encoder
from impasto.encoders.vgg import VGG
from impasto.geometry import resize
from machine import machine
from pairs import file_of

RESULTS = Path(__file__).parent / "results" / "bleeding.json"
PICTURES = Path(__file__).parent / ".pictures"
PAIRS = {"tubingen": ("starry_night_google", "the_scream"), "golden_gate": ("vg_la_cafe", "wave_crop")}
LAYERS = {"relu1_1": 1, "relu2_1": 2, "relu3_1": 4}  # and their strides
STRIP = 16  # pixels

Found = dict[str, dict[str, list[float]]]
PropagateMask = Callable[[VGG, Tensor, Collection[str]], dict[str, Tensor]]


def shrunk(network: VGG, mask: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
    """The naive way: the mask, made as small as the layer."""
    height, width = mask.shape[-2:]
    strides = {layer: network.stream([layer]).stride(layer) for layer in layers}
    return {layer: resize(mask, (height // by, width // by), "bilinear") for layer, by in strides.items()}


def through(pool: Callable[[Tensor, int, int, int], Tensor]) -> PropagateMask:
    """The mask through the network, with ``pool`` (x, kernel, stride, border) for every kernel."""

    def propagate_mask(network: VGG, mask: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        found = {}
        for name in network.layers:
            if name.startswith("conv"):
                mask = pool(mask, 3, 1, 1)
            elif name.startswith("pool"):
                mask = pool(mask, 2, 2, 0)
            if name in layers:
                found[name] = mask
        return found

    return propagate_mask


def least(x: Tensor, kernel: int, stride: int, border: int) -> Tensor:
    return -F.max_pool2d(-x, kernel, stride, border)


def most(x: Tensor, kernel: int, stride: int, border: int) -> Tensor:
    return F.max_pool2d(x, kernel, stride, border)


def only(propagate_mask: PropagateMask) -> PropagateMask:
    """What it gives, but where that is nothing at all, as at coarse levels, what the mean kernels give."""

    def seen(network: VGG, mask: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        found = propagate_mask(network, mask, layers)
        return {
            layer: each if each.any() else SEEN(network, mask, [layer])[layer]
            for layer, each in found.items()
        }

    return seen


def without(times: float) -> PropagateMask:
    """What a feature sees inside, less so many times what it sees outside; never less than nothing."""

    def propagate_mask(network: VGG, mask: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        inside, all_of_it = SEEN(network, mask, layers), through(most)(network, mask, layers)
        return {
            layer: (inside[layer] - times * (all_of_it[layer] - inside[layer])).clamp(min=0.0)
            for layer in layers
        }

    return propagate_mask


SEEN = VGG.propagate_mask
WAYS: dict[str, PropagateMask] = {
    "seen": SEEN,
    "shrunk": shrunk,
    "less once": only(without(1.0)),
    "less three times": only(without(3.0)),
    "inside only": only(through(least)),
}


def strips(network: VGG, image: Tensor) -> dict[str, Tensor]:
    """Layer -> (strips, 2 C): mean and deviation of each channel in each strip, from left to right."""
    found = {}
    for layer, features in network(image, list(LAYERS)).items():
        wide = STRIP // LAYERS[layer]
        first = features.shape[3] // 2 % wide  # the border is between two strips
        parts = features[0, :, :, first:].unfold(2, wide, wide).permute(2, 0, 1, 3).flatten(2)
        found[layer] = torch.cat([parts.mean(2), parts.std(2)], 1)
    return found


def shares(network: VGG, painted: Tensor, photo: Tensor, alone: tuple[Tensor, Tensor]) -> Found:
    """Layer -> by distance from the border, both sides together, how much of each style a strip has."""
    at, plain, left, right = (strips(network, image) for image in (painted, photo, *alone))
    found: Found = {}
    for layer in LAYERS:
        middle = len(at[layer]) // 2
        sides = ((range(middle - 1, -1, -1), left, right), (range(middle, 2 * middle), right, left))
        parts = []
        for numbers, own, other in sides:
            for n in numbers:
                basis = torch.stack([own[layer][n] - plain[layer][n], other[layer][n] - plain[layer][n]], 1)
                parts.append(
                    torch.linalg.lstsq(basis, (at[layer][n] - plain[layer][n])[:, None]).solution[:, 0]
                )
        both = torch.stack(parts).view(2, middle, 2).mean(0)
        found[layer] = {
            "own": [round(float(each), 2) for each in both[:, 0]],
            "other": [round(float(each), 2) for each in both[:, 1]],
        }
    return found


def runs_over(found: Found) -> int:
    """Pixels from the border beyond which no strip has more than a fifth of the other style, by the layers' mean.

    Far from the border it is up to 0.19 by chance, since no two pictures have their strokes in the same places.
    """
    other = np.mean([each["other"] for each in found.values()], axis=0)
    over = np.flatnonzero(other > 0.2)
    return STRIP * (int(over[-1]) + 1) if len(over) else 0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--quality", default="draft")
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    given = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    network = build_encoder(impasto.Recipe())
    assert isinstance(network, VGG)
    halves = np.zeros((96, 128), np.uint8)
    halves[:, :64] = 255
    masks = []
    for name, pixels in (("left", halves), ("right", 255 - halves)):
        masks.append({"name": name, "mask": str(PICTURES / f"mask-{name}.png")})
        PIL.Image.fromarray(pixels).save(masks[-1]["mask"])
    found: dict[str, dict[str, object]] = {}
    for content, names in PAIRS.items():
        photo = file_of(given.images, f"content/{content}")
        styles = [file_of(given.images, f"style/{name}") for name in names]

        def painted(
            named: str, *which: Path, photo: Path = photo, content: str = content, **more: object
        ) -> Tensor:
            path = PICTURES / f"bleeding-{given.size}-{content}-{named}.png"
            if not path.exists():
                impasto.stylize(photo, list(which), size=given.size, quality=given.quality, **more).save(path)
            return images.read(path).pixels

        left, right = (painted(name, style) for name, style in zip(names, styles, strict=True))
        middle = left.shape[3] // 2
        pictures = {"pasted": torch.cat([left[..., :middle], right[..., middle:]], 3)}
        for way in given.ways:
            with patch.object(VGG, "propagate_mask", WAYS[way]):
                pictures[way] = painted(way.replace(" ", "-"), *styles, regions=masks)
        plain = resize(images.read(photo).pixels, (left.shape[2], left.shape[3]))
        for way, picture in pictures.items():
            each = shares(network, picture, plain, (left, right))
            found.setdefault(content, {})[way] = {"runs_over": runs_over(each), **each}
            mean = {
                of: np.mean([each[layer][of] for layer in LAYERS], axis=0).round(2) for of in ("own", "other")
            }
            print(content, way, runs_over(each), *(f"{of} {values[:8]}" for of, values in mean.items()))
    RESULTS.write_text(json.dumps({"machine": machine(), "found": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
