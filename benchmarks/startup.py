"""How long until something happens? Importing the package, the command's help, the first iteration at 256 pixels.

    python benchmarks/startup.py

Each is a process of its own, seven times, its whole time. The first iteration is that of `impasto stylize --steps 1`,
reading, judging and saving included, of pictures made here.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine

ROUNDS = 7


def main() -> None:
    impasto = str(Path(sys.executable).with_name("impasto"))
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([impasto, "swatches", "-o", folder, "--size", "256"], check=True, capture_output=True)
        content, style = sorted(map(str, Path(folder).glob("*.png")))[:2]
        paint = [impasto, "stylize", content, style, "--size", "256", "--steps", "1", "-q", "-o"]
        commands = {
            "python, nothing imported": [sys.executable, "-c", "pass"],
            "import impasto": [sys.executable, "-c", "import impasto"],
            "impasto --help": [impasto, "--help"],
            "import torch": [sys.executable, "-c", "import torch"],
            "impasto stylize, one iteration at 256": [*paint, str(Path(folder) / "out.png")],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS):  # in turn, so that a busy moment strikes all alike
            for name, command in commands.items():
                started = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                times[name].append(time.perf_counter() - started)
    found = {
        name: {
            key: round(of(each), 3)
            for key, of in (("median", statistics.median), ("least", min), ("most", max))
        }
        for name, each in times.items()
    }
    for name, row in found.items():
        print(name, json.dumps(row))
    result = {"machine": machine(), "seconds": found}
    (Path(__file__).parent / "results" / "startup.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
