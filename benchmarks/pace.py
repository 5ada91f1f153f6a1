"""Does the planner know how long a picture takes? Seconds planned and taken, the first and the second time.

    python benchmarks/pace.py

Ten settings, each painted twice by a process of its own, in rounds. The cache folder is new, so the first plan
comes from the probe alone and the second from what was learned. The share of the time left is also judged: what each
process expected at a quarter, a half and three quarters of its iterations, against what the rest took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import machine

ROUNDS = 2
SETTINGS: dict[str, dict[str, Any]] = {
    "draft at 256": {"size": 256, "quality": "draft"},
    "draft at 512": {"size": 512, "quality": "draft"},
    "default at 256": {"size": 256},
    "default at 512": {"size": 512},
    "adam at 384": {"size": 384, "optimizer": "adam", "steps": 100},
    "wolfe at 256": {"size": 256, "optimizer": "lbfgs-wolfe", "steps": 100},
    "wasserstein at 256": {"size": 256, "style_loss": "wasserstein", "steps": 100},
    "patches at 256": {"size": 256, "style_loss": "patches", "steps": 60},
    "photo at 384": {"size": 384, "preset": "photo", "steps": 80},
    "strength at 384": {"size": 384, "strength": 0.5, "steps": 100},
}

_ONE = """
import json, sys, time
import impasto
from impasto.swatches import paint
started = time.perf_counter()
options = json.loads(sys.argv[1])
pictures = paint("mosaic", size=640)[:480], paint("strokes", size=512)
planned = impasto.plan(*pictures, **options).seconds
begun, left = time.perf_counter(), []
def note(step):
    for share in (0.25, 0.5, 0.75):
        if step.done == int(share * step.planned):
            left.append((time.perf_counter(), step.seconds_left))
impasto.stylize(*pictures, on_step=note, **options).save(sys.argv[2])
ended = time.perf_counter()
print(json.dumps({
    "planned": planned,
    "taken": ended - begun + float(sys.argv[3]),
    "left": [[expected, ended - at] for at, expected in left],
}))
"""


def main() -> None:
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in SETTINGS}
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "IMPASTO_CACHE": folder}
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import impasto.transfer.api"], check=True, env=environment)
        importing = time.perf_counter() - started
        for _ in range(ROUNDS):
            for name, options in SETTINGS.items():
                command = [
                    sys.executable,
                    "-c",
                    _ONE,
                    json.dumps(options),
                    f"{folder}/out.png",
                    str(importing),
                ]
                output = subprocess.check_output(command, text=True, env=environment)
                found[name].append(json.loads(output))
                row = found[name][-1]
                shares = ", ".join(f"{a:.1f}/{b:.1f}" for a, b in row["left"])
                print(f"{name}: planned {row['planned']:.1f} s, taken {row['taken']:.1f} s; left {shares}")
    for name, rows in found.items():
        print(name, [round(row["planned"] / row["taken"], 2) for row in rows])
    result = {"machine": machine(), "pictures": found}
    path = Path(__file__).parent / "results" / "pace.json"
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
