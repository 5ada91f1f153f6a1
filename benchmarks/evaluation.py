"""One evaluation of the default objective: milliseconds and memory by autograd, in strips and in tiles.

    python benchmarks/evaluation.py [--full]

Each way runs in a process of its own, so that its peak is its own; a picture of noise, made here, does for both.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np
import torch

from impasto.assembly.device import choose_precision
from impasto.assembly.objective import build_objective
from impasto.encoders.vgg import VGG
from impasto.encoders.weights import load
from impasto.engine.evaluation import whole
from impasto.engine.tiling.gradient import tiled
from impasto.recipes.presets import resolve
from machine import machine, results

SHORT = [(384, 512, "whole", 0), (384, 512, "strips", 0), (768, 1024, "whole", 0), (768, 1024, "strips", 0)]
FULL = [
    *SHORT,
    (768, 1024, "tiles", 512),
    (1536, 2048, "whole", 0),
    (1536, 2048, "strips", 0),
    (1536, 2048, "tiles", 1024),
    (3072, 4096, "tiles", 2048),
    (3464, 5176, "tiles", 1024),
    (4608, 6144, "tiles", 2048),
]
# What a user gets: whole up to 2048 pixels, in tiles of 2048 beyond.
GROWTH = [(384, 512), (768, 1024), (1536, 2048), (3072, 4096), (4608, 6144)]


def measure(height: int, width: int, way: str, tile: int, precision: str) -> dict[str, float]:
    """Median and spread of a few evaluations, in this process."""
    dtype, _ = choose_precision(precision, torch.device("cpu"), exact=False)
    network = VGG(load("vgg19")).to(dtype=dtype)
    torch.manual_seed(0)
    content, style, x = (torch.rand(1, 3, height, width) for _ in range(3))
    objective = build_objective(resolve())
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    make = whole(network, objective, [1.0]) if way == "whole" else tiled(network, objective, [1.0], tile=tile)
    evaluate = make(lambda: content, [lambda: style])
    # From 8 megapixels on one alone, of most of a minute, in which what a first one prepares is lost.
    large = height * width > 8_000_000
    if not large:
        evaluate(x)
    times = []
    for _ in range(1 if large else 7 if height * width < 1_000_000 else 3):
        start = time.perf_counter()
        evaluate(x)
        times.append(1e3 * (time.perf_counter() - start))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "ms": round(statistics.median(times), 1),
        "ms_least": round(min(times), 1),
        "ms_most": round(max(times), 1),
        "added_MB": round((peak - base) / 1024),
        "process_MB": round(peak / 1024),
    }


def growth(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The exponent p of ms ~ pixels^p, by least squares over the five sizes of :data:`GROWTH`."""
    found = {
        row["height"] * row["width"]: row["ms"]
        for row in rows
        if (row["height"], row["width"]) in GROWTH
        and row["way"] == ("tiles" if row["width"] > 2048 else "strips")
        and row["tile"] in (0, 2048)
        and row["precision"] == "auto"
    }
    if len(found) < len(GROWTH):
        return {}
    slope, _ = np.polyfit(np.log(list(found)), np.log(list(found.values())), 1)
    return {"exponent of time by pixels": round(float(slope), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="large pictures too")
    parser.add_argument(
        "--from", type=int, default=0, dest="least", help="long sides; smaller ones keep their figures"
    )
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        height, width, way, tile, precision = arguments.one
        print(json.dumps(measure(int(height), int(width), way, int(tile), precision)))
        return
    path = results("evaluation")
    kept = json.loads(path.read_text())["points"] if arguments.least else []
    rows = [row for row in kept if row["width"] < arguments.least]
    for point in FULL if arguments.full else SHORT:
        if point[1] < arguments.least:
            continue
        for precision in ("auto", "fp32") if point[1] <= 512 else ("auto",):
            command = [sys.executable, __file__, "--one", *map(str, point), precision]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            height, width, way, tile = point
            rows.append(
                {"height": height, "width": width, "way": way, "tile": tile, "precision": precision, **found}
            )
            print(json.dumps(rows[-1]), flush=True)
    result = {"machine": machine(), "points": rows, **growth(rows)}
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
