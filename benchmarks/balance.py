"""What is each loss multiplied by, so that at the same weight it gives about as much style as the default one?

    python benchmarks/balance.py --images DIR

For each pair of pictures and each style loss: the style weight that gives up half of the content, with nothing
balanced (as `--strength 0.5` finds it, at 128 pixels). Divided by the default loss's, and the geometric mean over
the pairs, that is the loss's balance in `impasto.runs.assemble`. A content loss's is the other way round. What is
measured already is in results/balance.json and is not measured again.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from pathlib import Path
from typing import Any

from impasto.runs import assemble
from impasto.runs.execute import make_session
from machine import machine

RESULTS = Path(__file__).parent / "results" / "balance.json"
PAIRS = {
    "tubingen": "starry_night_google",
    "golden_gate": "vg_la_cafe",
    "lion": "wave_crop",
    "city_day_1": "mosaic",
    "hoovertowernight": "the_scream",
}
DEFAULT = "gram-share"
STYLE_LOSSES = (
    DEFAULT,
    "mean-deviation",
    "wasserstein",
    "sliced-wasserstein",
    "histogram",
    "patches",
    "relaxed-transport",
)
CONTENT_LOSSES = ("self-similarity",)


def half(images: Path, content: str, **options: Any) -> float:
    """The style weight that gives up half of the content."""
    paths = [
        next((images / kind).glob(f"{name}.*"))
        for kind, name in (("content", content), ("style", PAIRS[content]))
    ]
    session = make_session(*paths, {"strength": 0.5, "size": 128, **options})
    session.load()
    return session.recipe.style_weight


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True)
    images = parser.parse_args().images
    assemble.BALANCE.clear()
    found: dict[str, dict[str, float]] = {}
    if RESULTS.exists():
        found = json.loads(RESULTS.read_text())["found"]
    for content in PAIRS:
        row = found.setdefault(content, {})
        for name, option in (
            *((name, "style_loss") for name in STYLE_LOSSES),
            *((name, "content_loss") for name in CONTENT_LOSSES),
        ):
            if name not in row:
                row[name] = half(images, content, **{option: name})
                print(content, name, row[name], flush=True)
    balance = {}
    for name in (*STYLE_LOSSES, *CONTENT_LOSSES):
        ratios = [math.log(row[name] / row[DEFAULT]) for row in found.values()]
        sign = -1.0 if name in CONTENT_LOSSES else 1.0
        balance[name] = {
            "balance": float(f"{math.exp(sign * statistics.fmean(ratios)):.2g}"),
            "furthest_pair": round(math.exp(max(abs(r - statistics.fmean(ratios)) for r in ratios)), 2),
        }
    result = {"machine": machine(), "pairs": PAIRS, "found": found, "balance": balance}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(balance, indent=1))


if __name__ == "__main__":
    main()
