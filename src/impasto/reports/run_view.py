"""A run as it is shown beside others: whatever of its folder can be read, and a word on what cannot.

A run may be unfinished, failed or damaged, and its pictures moved away since. None of that may keep the others
from being shown, so nothing here raises for what is in a folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL.Image
import torch

from impasto import images
from impasto.errors import ImpastoError, ParameterError
from impasto.figures.charts import Curve, drawable
from impasto.recipes.differences import differences
from impasto.recipes.fields import Input
from impasto.recipes.recipe import Recipe
from impasto.runs.layout import EVENTS, RECIPE, RESULT, Summary
from impasto.runs.readers import damaged_events, find, read_events, read_recipe, read_summary, status
from impasto.text import one_line

MAX_PIXELS = 1_000_000_000
"""Pictures that were painted are shown, whatever their size."""

_STEP = re.compile(r"step-(\d+)\.png")


@dataclass(frozen=True)
class RunView:
    """A run to show.

    Attributes:
        path: its folder.
        name: short, and another than that of the runs beside it.
        status: as :func:`impasto.runs.readers.status`, or "damaged", or "missing" where there is no run.
        recipe, summary: None where they cannot be read.
        events: the iterations; empty where there are none.
        steps: iterations -> the picture after them.
        result: the finished picture, or the newest one; None where there is none yet.
        notes: what was noticed while painting, and what is wrong with the folder, one line each.
    """

    path: Path
    name: str
    status: str
    recipe: Recipe | None
    summary: Summary | None
    events: tuple[Mapping[str, Any], ...]
    steps: Mapping[int, Path]
    result: Path | None
    notes: tuple[str, ...]

    @property
    def done(self) -> int:
        """Iterations done."""
        return self.summary.done if self.summary else max((event["done"] for event in self.events), default=0)

    @property
    def pictures(self) -> str:
        """What is painted in what style, in words."""
        if self.recipe is None or self.recipe.content is None:
            return ""
        styles = " and ".join(Path(style.path).stem for style in self.recipe.styles)
        return one_line(f"{Path(self.recipe.content.path).stem} in the style of {styles}")

    def total(self, *, over: str = "done", key: str = "") -> Curve:
        """The loss, over iterations ("done") or "seconds"; ``key`` is what the page calls the curve."""
        return Curve(self.name, _points(self.events, over, "loss"), key)

    def terms(self) -> list[Curve]:
        """The total and the weighted terms, over iterations; terms that count nothing are left out."""
        # Beside "done" each event holds only its terms.
        events = [{**_losses(event), "done": event["done"]} for event in self.events]
        names = dict.fromkeys(name for event in events for name in event if name != "done")
        curves = [Curve("total", self.total().points)]
        curves += [Curve(name, _points(events, "done", name)) for name in names]
        return [curve for curve in curves if drawable(curve.points)]

    def levels(self) -> list[tuple[int, str]]:
        """The first iteration of each level, and its size in words."""
        found: dict[Any, tuple[int, str]] = {}
        for event in self.events:
            size = event.get("size")
            if isinstance(size, list) and len(size) == 2:
                found.setdefault(event.get("level"), (event["done"], f"{size[0]}x{size[1]}"))
        return list(found.values())


def read(path: Path, *, name: str | None = None) -> RunView:
    """A run's folder as far as it can be read."""
    notes: list[str] = []
    recipe = None
    found = status(path)
    try:
        recipe = read_recipe(path)
    except ParameterError as error:
        found = "damaged" if (path / RECIPE).exists() else "missing"
        notes.append(one_line(error))
    summary = read_summary(path)
    if damaged := damaged_events(path):
        notes.append(f"{EVENTS}: {damaged} damaged lines left out")
    steps = _steps(path)
    newest = steps[max(steps)] if steps else None
    return RunView(
        path=path,
        name=one_line(path.name if name is None else name),
        status=found,
        recipe=recipe,
        summary=summary,
        events=tuple(read_events(path)),
        steps=steps,
        result=path / RESULT if (path / RESULT).is_file() else newest,
        notes=(*(summary.notes if summary else ()), *notes),
    )


def read_all(paths: Sequence[Path]) -> list[RunView]:
    """Several runs, named by what their folders' paths do not share."""
    whole = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100  # resolve() raises in a loop of links
    parents = {path.parent for path in whole}
    shared = (
        Path(os.path.commonpath(parents)) if parents and len({path.anchor for path in whole}) == 1 else None
    )
    return [
        read(path, name=str(absolute.relative_to(shared)) if shared else str(absolute))
        for path, absolute in zip(paths, whole, strict=True)
    ]


def expand(paths: Sequence[Path]) -> list[Path]:
    """Runs, and the runs in folders that hold some, each once and in order.

    Raises:
        ParameterError: a folder is not there, or there is no run in it.
    """
    found: dict[Path, None] = {}
    for path in paths:
        runs = [path] if (path / RECIPE).exists() else find(path)
        if not runs:
            raise ParameterError(f"{path}: expected the folder of a run, or one that holds runs, found none")
        found |= dict.fromkeys(runs)
    return list(found)


def differing_settings(run_views: Sequence[RunView]) -> list[str]:
    """The settings in which runs differ, in the recipe's order."""
    recipes = [each.recipe for each in run_views if each.recipe is not None]
    changed = {name for each in recipes[1:] for name in differences(recipes[0], each)}
    return [name for name in Recipe.model_fields if name in changed]


def setting(recipe: Recipe, name: str) -> str:
    """A setting in a few words: pictures by the names of their files."""
    return _words(getattr(recipe, name))


def _words(value: Any) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:g}"
        case Input():
            return one_line(Path(value.path).name)
        case dict():
            return ", ".join(f"{key} {_words(each)}" for key, each in value.items())
        case tuple() | list():
            return ", ".join(map(_words, value))
    return one_line(value)


def picture(path: Path) -> PIL.Image.Image:
    """A picture file as RGB, upright, in sRGB and on white.

    Raises:
        ImageError: it cannot be read.
        MissingExtraError: it is HEIC, and what reads that is not installed.
    """
    pixels = images.read(path, max_pixels=MAX_PIXELS).pixels[0]
    return PIL.Image.fromarray(pixels.mul_(255.0).round_().to(torch.uint8).permute(1, 2, 0).numpy())


def picture_or_note(path: Path | None) -> PIL.Image.Image | str:
    """The picture, or one line that says why there is none."""
    if path is None:
        return "no picture yet"
    try:
        return picture(path)
    except ImpastoError as error:
        return one_line(error)


def _steps(path: Path) -> dict[int, Path]:
    found = ((_STEP.fullmatch(each.name), each) for each in path.glob("step-*.png"))
    return {int(match[1]): each for match, each in sorted(found, key=lambda pair: pair[1].name) if match}


def _losses(event: Mapping[str, Any]) -> Mapping[str, Any]:
    losses = event.get("losses")
    return losses if isinstance(losses, dict) else {}


def _points(events: Sequence[Mapping[str, Any]], over: str, value: str) -> list[tuple[float, float]]:
    pairs = ((event.get(over), event.get(value)) for event in events)
    return [(x, y) for x, y in pairs if isinstance(x, int | float) and isinstance(y, int | float)]
