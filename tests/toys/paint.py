"""Paints with each toy of the package that was copied; prints what came of it as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import impasto
from impasto.apps.cli.__main__ import main
from impasto.assembly import networks
from impasto.swatches import paint
from tests.thin import thin

TOYS: dict[str, dict[str, Any]] = {
    "style loss": {"style_loss": "toy", "tile": 64, "size": 96},
    "content loss": {"content_loss": "toy"},
    "encoder": {"encoder": "toy", "content_layers": {"relu1": 1.0}, "style_layers": {"relu1": 1.0}},
    "solver": {"optimizer": "toy"},
    "preset": {"preset": "toy"},
    "engine": {"engine": "toy"},
}
OPTIONS: dict[str, Any] = {"size": 40, "smallest": 20, "steps": 6, "device": "cpu", "precision": "fp32"}


def run() -> dict[str, Any]:
    networks.ENCODERS["vgg19"] = networks.vgg("vgg19", thin)
    pictures = paint("mosaic", size=56), paint("strokes", size=48)
    found: dict[str, Any] = {"package": str(Path(impasto.__file__).parent)}
    for kind, options in TOYS.items():
        first = next(impasto.iterate(*pictures, **{**OPTIONS, **options})).loss
        result = impasto.stylize(*pictures, **{**OPTIONS, **options})
        planned = impasto.plan(*pictures, **{**OPTIONS, **options})
        found[kind] = {
            "losses": [first, result.loss],
            "steps": result.steps,
            "setting": getattr(result.recipe, next(iter(options))),
            "style weight": result.recipe.style_weight,
            "planned": None if planned is None else planned.memory,
        }
    found["command"] = main(["toy", "7"])
    return found


if __name__ == "__main__":
    sys.stderr.write(json.dumps(run()))
