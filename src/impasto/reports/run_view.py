"""A view of one run for reports: everything in its folder that can be read, and notes on what cannot.

A run may be unfinished, failed or damaged, or its pictures may have been moved. A report of several runs must not
fail because of one of them; reading a run's folder therefore never raises for its contents.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import PIL.Image
import torch

from impasto import images
from impasto.errors import ImpastoError, ParameterError
from impasto.figures.charts import Curve, drawable
from impasto.recipes.fields import Input
from impasto.recipes.recipe import Recipe
from impasto.reports import words
from impasto.reports.words import Title
from impasto.runs.layout import EVENTS, RECIPE, RESULT, Summary
from impasto.runs.readers import damaged_events, find, read_events, read_recipe, read_summary, status
from impasto.text import one_line

MAX_PIXELS = 1_000_000_000
"""Limit when reading pictures; far above any result, so that every result is shown."""

_STEP = re.compile(r"step-(\d+)\.png")


@dataclass(frozen=True)
class RunView:
    """One run, as far as its folder can be read.

    Attributes:
        path: its folder.
        name: its path, short, and unique among the runs of a report.
        title: in words, from the settings in which it differs from the report's other runs.
        status: as :func:`impasto.runs.readers.status`, or "damaged", or "missing" where there is no run.
        recipe, summary: None where they cannot be read.
        events: the logged iterations.
        steps: iterations done -> path of the intermediate picture.
        result: path of the result, or of the newest intermediate picture; None where there is no picture yet.
        notes: the run's notes, and problems with its folder, one line each.
    """

    path: Path
    name: str
    title: Title
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
        """Names of the content and the styles, such as "harbour in the style of wave"."""
        return words.pictures(self.recipe)

    @property
    def is_done(self) -> bool:
        """Whether the picture is finished; its loss is then that of the saved picture."""
        return self.status == "done"

    @property
    def inputs(self) -> tuple[tuple[str, Input], ...]:
        """(kind, picture) of the content, the styles and the palette."""
        return tuple(self.recipe.inputs) if self.recipe else ()

    def total(self, *, over: str = "done", key: str = "") -> Curve:
        """The total loss over iterations ("done") or "seconds"; ``key`` identifies the curve on the page."""
        return Curve(self.title.whole, _points(self.events, over, "loss"), key)

    def terms(self) -> list[Curve]:
        """The total and the weighted terms over iterations; curves without positive values are left out."""
        # One flat mapping per event: "done" and its terms.
        events = [{**_losses(event), "done": event["done"]} for event in self.events]
        names = dict.fromkeys(name for event in events for name in event if name != "done")
        curves = [Curve("total", self.total().points)]
        curves += [Curve(name, _points(events, "done", name)) for name in names]
        return [curve for curve in curves if drawable(curve.points)]

    def levels(self) -> list[tuple[int, str]]:
        """The first iteration of each level, and the level's size, such as "512x384"."""
        found: dict[Any, tuple[int, str]] = {}
        for event in self.events:
            size = event.get("size")
            if isinstance(size, list) and len(size) == 2:
                found.setdefault(event.get("level"), (event["done"], f"{size[0]}x{size[1]}"))
        return list(found.values())


def read(path: Path, *, name: str | None = None) -> RunView:
    """Read a run's folder as far as possible."""
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
    shown = one_line(path.name if name is None else name)
    return RunView(
        path=path,
        name=shown,
        title=Title(shown, shown),
        status=found,
        recipe=recipe,
        summary=summary,
        events=tuple(read_events(path)),
        steps=steps,
        result=path / RESULT if (path / RESULT).is_file() else newest,
        notes=(*(summary.notes if summary else ()), *notes),
    )


def read_all(paths: Sequence[Path]) -> list[RunView]:
    """Several runs. Each is named by its path without the common parent folder, and titled by its settings."""
    whole = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100  # resolve() raises for a loop of symbolic links
    parents = {path.parent for path in whole}
    shared = (
        Path(os.path.commonpath(parents)) if parents and len({path.anchor for path in whole}) == 1 else None
    )
    found = [
        read(path, name=str(absolute.relative_to(shared)) if shared else str(absolute))
        for path, absolute in zip(paths, whole, strict=True)
    ]
    titles = words.titles([each.recipe for each in found], [each.name for each in found])
    return [replace(each, title=title) for each, title in zip(found, titles, strict=True)]


def expand(paths: Sequence[Path]) -> list[Path]:
    """Replace each folder of runs by the runs in it; duplicates are dropped, the order is kept.

    Raises:
        ParameterError: a folder is missing, or contains no run.
    """
    found: dict[Path, None] = {}
    for path in paths:
        runs = [path] if (path / RECIPE).exists() else find(path)
        if not runs:
            raise ParameterError(f"{path}: expected the folder of a run, or a folder of runs, got neither")
        found |= dict.fromkeys(runs)
    return list(found)


def differing_settings(run_views: Sequence[RunView]) -> list[str]:
    """Names of the settings that differ between runs, in the recipe's order."""
    return words.differing([each.recipe for each in run_views])


def setting(recipe: Recipe, name: str) -> str:
    """A setting's value as short text."""
    return words.value_of(getattr(recipe, name))


def picture(path: Path) -> PIL.Image.Image:
    """A picture file as 8-bit RGB: upright, in sRGB, composited over white.

    Raises:
        ImageError: the file cannot be read.
        MissingExtraError: the file is HEIC, and pillow-heif is not installed.
    """
    pixels = images.read(path, max_pixels=MAX_PIXELS).pixels[0]
    return PIL.Image.fromarray(pixels.mul_(255.0).round_().to(torch.uint8).permute(1, 2, 0).numpy())


def picture_or_note(path: Path | None) -> PIL.Image.Image | str:
    """The picture, or one line with the reason why it is missing."""
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
