"""How fast is each way to convolve, at the layers of a 512x384 picture, and how exact?

    python benchmarks/convolutions.py

GFLOP/s are counted as the direct convolution's, whatever a way multiplies. The ways take turns, five times.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

import torch
import torch.nn.functional as F

from impasto.kernels.fastest import ways
from machine import machine, results

LAYERS = {
    "conv1_2": (64, 64, 384, 512),
    "conv2_1": (64, 128, 192, 256),
    "conv2_2": (128, 128, 192, 256),
    "conv3_1": (128, 256, 96, 128),
    "conv3_2": (256, 256, 96, 128),
    "conv4_1": (256, 512, 48, 64),
    "conv4_2": (512, 512, 48, 64),
    "conv5_1": (512, 512, 24, 32),
}
"""Layer -> channels in, out, height, width."""


def measure(into: int, out: int, height: int, width: int) -> dict[str, dict[str, float]]:
    """Way -> GFLOP/s, and the error as a share of the result, in float32."""
    torch.manual_seed(0)
    x = torch.randn(1, into, height, width).relu().contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(out, into, 3, 3) * (2 / (9 * into)) ** 0.5
    kernel = kernel.contiguous(memory_format=torch.channels_last)
    exact = F.conv2d(x.double(), kernel.double(), padding=1)
    made = {name: prepare() for name, prepare in ways(kernel).items()}
    pad = (1, 1, 1, 1)
    errors = {name: float((way(x, None, pad) - exact).norm() / exact.norm()) for name, way in made.items()}
    seconds: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(5):
        for name, way in made.items():
            started = time.perf_counter()
            way(x, None, pad)
            seconds[name].append(time.perf_counter() - started)
    work = 2 * 9 * into * out * height * width / 1e9
    return {
        name: {"GFLOP/s": round(work / statistics.median(times)), "error": float(f"{errors[name]:.0e}")}
        for name, times in seconds.items()
    }


def main() -> None:
    found: dict[str, Any] = {}
    for layer, sizes in LAYERS.items():
        found[layer] = measure(*sizes)
        print(layer, json.dumps(found[layer]), flush=True)
    path = results("convolutions")
    path.write_text(json.dumps({"machine": machine(), "layers": found}, indent=1) + "\n")


if __name__ == "__main__":
    with torch.no_grad():
        main()
