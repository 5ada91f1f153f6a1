"""What is each loss multiplied by, so that at the same weight it gives about as much style as the default one?

    python benchmarks/balance.py --images DIR [--pairs 3]

For each pair of pictures the default preset is painted, and what it gives up of the content is the aim. For each
loss in its place: a picture of the style alone says how much of the content there is to give up, and the loss's
balance is corrected from picture to picture until the aim is met, by the rule that a weight w gives up the share
w / (w + m). The geometric mean over the pairs is the loss's balance (impasto.assembly.objective). A content loss is
judged by itself: it is balanced so that `--strength 0.5`, which gives up half of it, comes to the same style weight
as with the default one. What is measured already is in results/balance.json and is not measured again.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from pathlib import Path
from typing import Any

from impasto.assembly.objective import BALANCE
from impasto.transfer.api import make_session
from machine import machine
from pairs import PAIRS, paths

RESULTS = Path(__file__).parent / "results" / "balance.json"
STYLE_LOSSES = (
    "mean-deviation",
    "wasserstein",
    "sliced-wasserstein",
    "histogram",
    "patches",
    "relaxed-transport",
)
CONTENT_LOSSES = ("self-similarity",)
CLOSE = 1.15  # of the odds


class Pair:
    """Two pictures, and how much of the content a recipe gives up."""

    def __init__(self, images: Path, content: str, size: int, steps: int) -> None:
        self._paths = paths(images, content)
        self._given = {"size": size, "steps": steps}
        self._judge = make_session(*self._paths, self._given).evaluate()

    def half(self, **options: Any) -> float:
        """The style weight that gives up half of the content."""
        session = make_session(*self._paths, {**self._given, "strength": 0.5, **options})
        session.load()
        return session.recipe.style_weight

    def given_up(self, balance: float = 1.0, **options: Any) -> float:
        """The default content loss of a picture painted with a loss multiplied so."""
        if "style_loss" in options:
            BALANCE[options["style_loss"]] = balance
        session = make_session(*self._paths, {**self._given, **options})
        for last in session:  # noqa: B007  # the last one is what is wanted
            pass
        judged = self._judge(session.result(last).image.to(session.device), with_gradient=False)
        return sum(value for name, value in judged.terms.items() if name.startswith("content"))


def balanced(pair: Pair, aim: float, name: str) -> list[dict[str, float]]:
    """The balances tried, and what each gave up; the last one meets the aim, or is the third corrected."""
    alone = pair.given_up(content_weight=0.0, style_loss=name)
    balance = START[name]
    tried = []
    while True:
        found = pair.given_up(balance, style_loss=name)
        odds = (aim / max(alone - aim, 0.02 * alone)) / (found / max(alone - found, 0.02 * alone))
        tried.append({"balance": balance, "given_up": round(found, 4), "alone": round(alone, 4)})
        balance *= odds
        if max(odds, 1.0 / odds) < CLOSE or len(tried) == 3:
            return [*tried, {"balance": balance}]


START = dict(BALANCE)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=len(PAIRS))
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=60)
    given = parser.parse_args()
    found: dict[str, Any] = {}
    if RESULTS.exists():
        found = json.loads(RESULTS.read_text())["found"]
    for content in list(PAIRS)[: given.pairs]:
        row = found.setdefault(content, {})
        pair = Pair(given.images, content, given.size, given.steps)
        if "default" not in row:
            row["default"] = pair.given_up()
        for name in STYLE_LOSSES:
            if name not in row:
                row[name] = balanced(pair, row["default"], name)
                print(content, row["default"], name, row[name], flush=True)
                save(found, given.size, given.steps)
        for name in CONTENT_LOSSES:
            if name not in row:
                BALANCE[name] = 1.0
                row[name] = [{"balance": pair.half() / pair.half(content_loss=name)}]
                print(content, name, row[name], flush=True)
                save(found, given.size, given.steps)


def save(found: dict[str, Any], size: int, steps: int) -> None:
    balance = {}
    for name in (*STYLE_LOSSES, *CONTENT_LOSSES):
        logs = [math.log(row[name][-1]["balance"]) for row in found.values() if name in row]
        if logs:
            mean = statistics.fmean(logs)
            balance[name] = {
                "balance": float(f"{math.exp(mean):.2g}"),
                "furthest_pair": round(math.exp(max(abs(each - mean) for each in logs)), 2),
                "pairs": len(logs),
            }
    result = {
        "machine": machine(),
        "size": size,
        "steps": steps,
        "pairs": PAIRS,
        "found": found,
        "balance": balance,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
