"""What does each style loss look like, and what does it take?

    python benchmarks/style_losses.py --images DIR [--size 512] [--quality draft] [--losses patches …]

Two pairs of pictures, each painted with each loss at the default weight by whole processes of the command. Processor
seconds may be compared even where something else was running. Pictures go to benchmarks/.pictures, to be looked at.
What is painted already is in results/style_losses.json and is not painted again.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from machine import machine
from pairs import paths

RESULTS = Path(__file__).parent / "results" / "style_losses.json"
PICTURES = Path(__file__).parent / ".pictures"
CONTENTS = ("tubingen", "golden_gate")
LOSSES = {
    "gram-share": ["--style-loss", "gram-share"],
    "mean-deviation": ["--style-loss", "mean-deviation"],
    "wasserstein": ["--style-loss", "wasserstein"],
    "sliced-wasserstein": ["--style-loss", "sliced-wasserstein"],
    "histogram": ["--style-loss", "histogram"],
    "patches": ["--style-loss", "patches"],
    "relaxed-transport": ["--style-loss", "relaxed-transport"],
    "patches-deep": [
        "--style-loss",
        "relu1_1=gram-share,relu2_1=gram-share:0.5,relu3_1=patches:0.2,relu4_1=patches:0.2",
    ],
    "self-similarity": ["--content-loss", "self-similarity"],
    "strotss": ["--content-loss", "self-similarity", "--style-loss", "relaxed-transport"],
}


def painted(images: Path, content: str, name: str, size: int, quality: str) -> dict[str, Any]:
    """What one picture took."""
    command = [
        sys.executable,
        "-m",
        "impasto.apps.cli.__main__",
        "stylize",
        *paths(images, content),
        "--size",
        size,
    ]
    command += [*LOSSES[name], "--quality", quality, "--json"]
    command += ["-o", PICTURES / f"loss-{size}-{content}-{name}.png"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = json.loads(done.stdout)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "processor_seconds": round(used, 1),
        "peak_memory": said["peak_memory"],
        "content": round(sum(v for k, v in said["losses"].items() if k.startswith("content")), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--quality", default="draft")
    parser.add_argument("--losses", nargs="*", default=list(LOSSES), choices=list(LOSSES))
    given = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    found = json.loads(RESULTS.read_text())["found"] if RESULTS.exists() else {}
    for name in given.losses:
        for content in CONTENTS:
            row = found.setdefault(f"{given.size} pixels, {given.quality}", {}).setdefault(content, {})
            if name not in row:
                row[name] = painted(given.images, content, name, given.size, given.quality)
                print(given.size, content, name, row[name], flush=True)
                RESULTS.write_text(json.dumps({"machine": machine(), "found": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
