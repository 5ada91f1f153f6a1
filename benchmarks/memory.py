"""Does the planner know what a picture takes? Peak memory and seconds, planned and measured.

    python benchmarks/memory.py --images DIR [--only NAME ...]

Each point is two commands with the same options: `impasto plan`, then `impasto stylize` in a process of its own,
whose peak the operating system tells. Few iterations are enough: what the solver remembers is full after a few, and
the planner knows their number. Points not measured this time keep the figures they had.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from machine import machine

HERE = Path(__file__).parent
PATH = HERE / "results" / "memory.json"
TUBINGEN = "content/tubingen.jpg style/starry_night_google.jpg"
BOSTON = "content/boston-18mp.jpg style/starry_night_google.jpg"
POINTS = {
    "256": f"{TUBINGEN} --size 256 --steps 40",
    "384": f"{TUBINGEN} --size 384 --steps 40",
    "512": f"{TUBINGEN} --size 512 --steps 60",
    "512 fp32": f"{TUBINGEN} --size 512 --steps 30 --precision fp32",
    "512 adam": f"{TUBINGEN} --size 512 --steps 20 --optimizer adam",
    "512 line search": f"{TUBINGEN} --size 512 --steps 20 --optimizer lbfgs-wolfe",
    "512 crowson": f"{TUBINGEN} --size 512 --steps 20 --preset crowson",
    "512 pastiche": f"{TUBINGEN} --size 512 --steps 20 --preset pastiche",
    "512 large strokes": f"{TUBINGEN} --size 512 --steps 20 --style-scale 2",
    "512 of 18 megapixels": f"{BOSTON} --size 512 --steps 20",
    "512 two styles": f"{TUBINGEN} style/vg_la_cafe.jpg --size 512 --steps 20",
    "512 in tiles of 256": f"{TUBINGEN} --size 512 --steps 20 --tile 256",
    "768": f"{TUBINGEN} --size 768 --steps 30",
    "1024": f"{TUBINGEN} --size 1024 --steps 30",
    "1024 in tiles of 512": f"{TUBINGEN} --size 1024 --steps 20 --tile 512",
    "1024 fp32": f"{TUBINGEN} --size 1024 --steps 12 --precision fp32",
    "1024 faithful gatys": f"{TUBINGEN} --size 1024 --preset gatys --faithful --steps 12",
    "1536": f"{TUBINGEN} --size 1536 --steps 20",
    "2048": f"{TUBINGEN} --size 2048 --steps 40",
    "2048 in tiles of 1024": f"{TUBINGEN} --size 2048 --steps 20 --tile 1024",
    "2048 uncut": f"{TUBINGEN} --size 2048 --steps 12 --tile 0",
    "2048 fp32": f"{TUBINGEN} --size 2048 --steps 6 --precision fp32",
    "2048 adam": f"{TUBINGEN} --size 2048 --steps 12 --optimizer adam",
    "2048 in tiles of 1024, fewer steps": f"{TUBINGEN} --size 2048 --steps 12 --tile 1024",
    "3072": f"{TUBINGEN} --size 3072 --steps 12",
    "4096": f"{TUBINGEN} --size 4096 --steps 12",
    "5176": f"{BOSTON} --size 5176 --steps 12",
    "8192": f"{BOSTON} --size 8192 --steps 7",
    "12000 in 6 GB": f"{BOSTON} --size 12000 --steps 8 --memory 6GB",
}


def measure(options: str, folder: Path, measured: dict[str, Any] | None = None) -> dict[str, Any]:
    """A point: what is planned, and what is measured or was."""
    words = [str(folder / word) if "/" in word else word for word in shlex.split(options)]
    impasto = str(Path(sys.executable).with_name("impasto"))
    planned = json.loads(
        subprocess.run(
            [impasto, "plan", *words, "--json"], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
    )
    if measured is not None:
        return {
            **measured,
            "planned MB": round(planned["memory"] / 1e6),
            "memory, planned / measured": round(planned["memory"] / 1e6 / measured["measured MB"], 3),
            "planned seconds": planned["seconds"],
        }
    target = HERE / ".pictures" / "memory.png"
    started = time.perf_counter()
    painting = subprocess.Popen([impasto, "stylize", *words, "-q", "-o", target], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(painting.pid, 0)
    if status:
        raise SystemExit(f"{options}: exit status {status}")
    seconds = time.perf_counter() - started
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {
        "options": options,
        "size": planned["levels"][-1]["size"],
        "tile": planned["tile"],
        "planned MB": round(planned["memory"] / 1e6),
        "measured MB": round(peak / 1e6),
        "memory, planned / measured": round(planned["memory"] / peak, 3),
        "planned seconds": planned["seconds"],
        "measured seconds": round(seconds, 1),
        "processor seconds": round(used.ru_utime + used.ru_stime, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True, help="a folder with content/ and style/")
    parser.add_argument("--only", nargs="+", choices=POINTS, metavar="NAME", default=list(POINTS))
    parser.add_argument("--replan", action="store_true", help="plan again, and keep what was measured")
    arguments = parser.parse_args()
    (HERE / ".pictures").mkdir(exist_ok=True)
    points = json.loads(PATH.read_text())["points"] if PATH.exists() else {}
    for name in arguments.only:
        points[name] = measure(POINTS[name], arguments.images, points[name] if arguments.replan else None)
        print(name, json.dumps(points[name]), flush=True)
        ratios = [point["memory, planned / measured"] for point in points.values()]
        result = {
            "machine": machine(),
            "memory, planned / measured": {
                "points": len(ratios),
                "least": min(ratios),
                "median": round(statistics.median(ratios), 3),
                "most": max(ratios),
            },
            "points": {name: points[name] for name in POINTS if name in points},
        }
        PATH.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
