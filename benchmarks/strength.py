"""Does the same strength give a like amount of style on different pictures, presets and sizes?

    python benchmarks/strength.py --images DIR [--presets impasto neural-style] [--sizes 256] [--draw]

For each pair the style alone is painted, then a picture at each strength, then all pairs at one style weight: the
geometric mean of those that strength 0.5 came to. The amount of style is the share of the content that was
given up: the content loss divided by that of the style alone, both judged by the default preset. What is painted
already is in results/strength.json and is not painted again; --draw only draws that, as results/strength.svg.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from torch import Tensor

from impasto.transfer.api import make_session
from impasto.transfer.result import Result
from impasto.transfer.session import Session
from impasto.transfer.strength import odds
from machine import machine
from pairs import PAIRS, paths

RESULTS = Path(__file__).parent / "results"
PICTURES = Path(__file__).parent / ".pictures"  # to look at
STRENGTHS = (0.2, 0.8)  # besides 0.5
COLOURS = ("#c2410c", "#0f766e", "#1d4ed8", "#a16207", "#7e22ce")


class Pictures:
    """Paints and judges, keeping what has been done."""

    def __init__(self, images: Path, found: dict[str, Any], steps: int) -> None:
        self._images, self._found, self._steps = images, found, steps

    def shares(self, preset: str, size: int, content: str, name: str, **options: Any) -> dict[str, float]:
        """The judge's losses of one picture, and what its strength came to; ``name`` is its place in the results."""
        place = self._found.setdefault(f"{preset} {size}", {}).setdefault(content, {})
        if name not in place:
            session = self._session(content, preset=preset, size=size, steps=self._steps, **options)
            result = _painted(session)
            result.save(PICTURES / f"strength-{preset}-{size}-{content}-{name.replace(' ', '-')}.png")
            losses = self._judge(content, size, result.image)
            place[name] = {
                "style_weight": result.recipe.style_weight,
                "content": round(sum(v for k, v in losses.items() if k.startswith("content")), 4),
                "style": round(sum(v for k, v in losses.items() if k.startswith("style")), 4),
            }
            print(preset, size, content, name, place[name], flush=True)
            self.save()
        return place[name]

    def save(self) -> None:
        result = {"machine": machine(), "steps": self._steps, "pairs": PAIRS, "found": self._found}
        (RESULTS / "strength.json").write_text(json.dumps(result, indent=1) + "\n")

    def _session(self, content: str, **options: Any) -> Session:
        return make_session(*paths(self._images, content), options)

    def _judge(self, content: str, size: int, picture: Tensor) -> Mapping[str, float]:
        session = self._session(content, size=size, style_weight=1.0)
        return session.evaluate()(picture.to(session.device), with_gradient=False).terms


def _painted(session: Session) -> Result:
    for last in session:  # noqa: B007  # the last one is what is wanted
        pass
    return session.result(last)


def measure(pictures: Pictures, preset: str, size: int, pairs: list[str], strengths: list[float]) -> None:
    """One table: the style alone, each strength, and one weight for all."""
    for content in pairs:
        pictures.shares(preset, size, content, "alone", content_weight=0.0)
        half = pictures.shares(preset, size, content, "strength 0.5", strength=0.5)["style_weight"]
        for strength in strengths:
            # What the option would come to, without measuring once more.
            weight = float(f"{half * odds(strength):.3g}")
            pictures.shares(preset, size, content, f"strength {strength:g}", style_weight=weight)
    weights = [pictures.shares(preset, size, content, "strength 0.5")["style_weight"] for content in pairs]
    common = math.exp(statistics.fmean(map(math.log, weights)))
    for content in pairs:
        pictures.shares(preset, size, content, "one weight", style_weight=common)


def amounts(table: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Name -> pair -> share of the content that was given up."""
    names = [name for name in next(iter(table.values())) if name != "alone"]
    return {
        name: {
            content: round(row[name]["content"] / row["alone"]["content"], 3)
            for content, row in table.items()
            if name in row
        }
        for name in names
    }


def summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """Table -> name -> the least and the most share over the pairs, and how far apart."""
    return {
        title: {
            name: {"least": min(found.values()), "most": max(found.values()), "pairs": len(found)}
            for name, found in amounts(table).items()
        }
        for title, table in found.items()
    }


def draw(found: Mapping[str, Any]) -> None:
    """One panel a table: each pair's share over the strength, beside it what one weight gives."""
    plt.rcParams.update({"svg.fonttype": "none", "font.family": "sans-serif", "svg.hashsalt": "impasto"})
    figure, panels = plt.subplots(
        1, len(found), figsize=(3.6 * len(found) + 1.2, 3.9), squeeze=False, sharey=True
    )
    for panel, (title, table) in zip(panels[0], found.items(), strict=True):
        preset, size = title.split()
        panel.plot([0, 1], [0, 1], color="#cbd5e1", linewidth=1, zorder=0)
        for number, (content, row) in enumerate(table.items()):
            alone = row["alone"]["content"]
            points = sorted(
                (float(name.split()[1]), each["content"] / alone)
                for name, each in row.items()
                if name.startswith("strength")
            )
            colour = COLOURS[list(PAIRS).index(content)]
            panel.plot(*zip(*points, strict=True), "o-", color=colour, label=content, markersize=4)
            if "one weight" in row:
                panel.plot(
                    1.12 + 0.02 * number,
                    row["one weight"]["content"] / alone,
                    "D",
                    color=colour,
                    markersize=5,
                )
        panel.axvline(1.04, color="#e2e8f0", linewidth=1)
        panel.set(
            xlim=(0, 1.28),
            ylim=(0, 1),
            xlabel="strength",
            title=f"preset {preset}, {size} pixels",
            xticks=(0, 0.2, 0.5, 0.8, 1.16),
            xticklabels=("0", "0.2", "0.5", "0.8", "one\nweight"),
        )
        panel.spines[["top", "right"]].set_visible(False)
    panels[0][0].set_ylabel("share of the content given up")
    panels[0][0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(RESULTS / "strength.svg", metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True, help="a folder with content/ and style/")
    parser.add_argument("--presets", nargs="+", default=["impasto", "neural-style"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[128])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--pairs", nargs="+", default=list(PAIRS), choices=list(PAIRS))
    parser.add_argument("--strengths", type=float, nargs="+", default=list(STRENGTHS))
    parser.add_argument("--draw", action="store_true", help="only draw what has been measured")
    arguments = parser.parse_args()
    path = RESULTS / "strength.json"
    found = json.loads(path.read_text())["found"] if path.exists() else {}
    if not arguments.draw:
        PICTURES.mkdir(exist_ok=True)
        pictures = Pictures(arguments.images, found, arguments.steps)
        for preset in arguments.presets:
            for size in arguments.sizes:
                measure(pictures, preset, size, arguments.pairs, arguments.strengths)
    print(json.dumps(summary(found), indent=1))
    draw(found)


if __name__ == "__main__":
    main()
