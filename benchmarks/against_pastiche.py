"""Is our picture as good as pastiche's after its 1000 iterations, and how much sooner is it there?

    python benchmarks/against_pastiche.py --images DIR --peer PASTICHE [--pairs NAME ...]

DIR holds content/ and style/; PASTICHE is the command of an environment of its own. What pastiche painted is kept in
benchmarks/.pictures and not painted again, since one picture takes a quarter of an hour; its time is that of the
run that painted it. Both tools are given the pixels alone, without colour profile: pastiche ignores it, we do not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from judge import Judge
from machine import machine, timed

HERE = Path(__file__).parent
PAIRS = {
    "tubingen-starry": ("tubingen.jpg", "starry_night_google.jpg"),
    "golden-cafe": ("golden_gate.jpg", "vg_la_cafe.jpg"),
    "hoover-scream": ("hoovertowernight.jpg", "the_scream.jpg"),
    "nature-wheat": ("nature.jpg", "vg_wheat_field.jpg"),
    "city-mosaic": ("city_day_1.jpg", "mosaic.jpg"),
}


def pixels(path: Path, folder: Path) -> Path:
    """The picture as a PNG that says nothing but its pixels."""
    copy = folder / f"{path.stem}.png"
    with Image.open(path) as image:
        plain = Image.fromarray(np.array(image.convert("RGB")))
    plain.save(copy)
    return copy


def write_pairs(path: Path, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Put the pairs measured now into the results; the others keep the figures, and the machine, they had."""
    kept = json.loads(path.read_text())["pairs"] if path.exists() else {}
    here = {name: {**row, "machine": machine()} for name, row in rows.items()}
    path.write_text(json.dumps({"pairs": {**kept, **here}}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--peer", required=True, help="the pastiche command")
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=list(PAIRS))
    arguments = parser.parse_args()
    pictures = HERE / ".pictures"
    pictures.mkdir(exist_ok=True)
    judge = Judge()
    rows = {}
    for name in arguments.pairs:
        content, style = (
            pixels(arguments.images / kind / file, pictures)
            for kind, file in zip(("content", "style"), PAIRS[name], strict=True)
        )
        theirs, ours = pictures / f"{name}-pastiche.png", pictures / f"{name}-impasto.png"
        times = theirs.with_suffix(".json")
        if not (theirs.exists() and times.exists()):
            command = [arguments.peer, "--content", content, "--styles", style]
            spent = timed([*command, "--size", 512, "--output", theirs])
            times.write_text(json.dumps(spent))
        impasto = Path(sys.executable).with_name("impasto")
        command = [impasto, "stylize", content, style, "--preset", "pastiche", "--size", 512, "-q"]
        spent = timed([*command, "-o", ours])
        rows[name] = {
            "pastiche": {**json.loads(times.read_text()), "loss": judge(theirs, content, style)},
            "impasto": {**spent, "loss": judge(ours, content, style)},
        }
        rows[name]["times faster"] = {
            clock: round(rows[name]["pastiche"][clock] / spent[clock], 1)
            for clock in ("seconds", "processor_seconds")
        }
        print(name, json.dumps(rows[name]), flush=True)
    write_pairs(HERE / "results" / "against_pastiche.json", rows)


if __name__ == "__main__":
    main()
