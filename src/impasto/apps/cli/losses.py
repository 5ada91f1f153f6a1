"""`impasto losses`: the terms of an objective, evaluated on any picture."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from impasto.apps.cli.inputs import check_pictures
from impasto.apps.cli.options import ObjectiveOptions
from impasto.apps.cli.parameters import Json, Quiet
from impasto.apps.cli.table import table
from impasto.errors import ParameterError

if TYPE_CHECKING:
    from impasto.inspection.judge import Judge, Judgement

_DEFAULT_OPTIONS = ObjectiveOptions()


def losses(
    content: Path,
    style: Path,
    results: Annotated[list[Path], Parameter(negative=())],
    /,
    *,
    options: ObjectiveOptions = _DEFAULT_OPTIONS,
    also_style: Annotated[list[Path] | None, Parameter(negative=(), show_default=False)] = None,
    sizes: str | None = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Evaluate an objective on the results of any tool.

    Every term and layer is a row. Each RESULT gives three columns: the value, unweighted and weighted, and its share.
    It is evaluated as saved, at its own size, in float32 by default.

        impasto losses photo.jpg painting.jpg ours.png theirs.png --preset pastiche
        impasto losses photo.jpg painting.jpg ours.png --recipe ours.png
        impasto losses photo.jpg painting.jpg theirs.png --preset gatys --sizes 512,256,128 --json
        impasto losses photo.jpg night.jpg theirs.png --also-style wheat.jpg --mask sky=sky.png --mask land=land.png

    Parameters
    ----------
    content
        The content picture of the results.
    style
        The style picture of the results.
    results
        The pictures to evaluate.
    also_style
        A further style picture; may be given several times.
    sizes
        Long sides in pixels to evaluate at, such as 512,256,128. All pictures are resized equally.
    as_json
        Print one JSON list: an object for each size and result.
    """
    at = _sizes(sizes)
    check_pictures((content, style, *(also_style or ()), *results))
    judged, judge = _evaluate(
        content, [style, *(also_style or ())], results, at, options, as_json=as_json, quiet=quiet
    )
    if as_json:
        found = [{"preset": judge.recipe.preset, **asdict(each)} for row in judged for each in row]
        sys.stdout.write(json.dumps(found) + "\n")
        return 0
    for note in dict.fromkeys((*judge.notes, *(note for each in judged[0] for note in each.notes))):
        sys.stderr.write(f"note: {note}\n")
    for number, row in enumerate(judged):
        sys.stdout.write("\n" if number else "")
        _write_table(row)
    return 0


def _evaluate(
    content: Path,
    styles: list[Path],
    results: list[Path],
    sizes: list[int],
    options: ObjectiveOptions,
    *,
    as_json: bool,
    quiet: bool,
) -> tuple[list[list[Judgement]], Judge]:
    """For each size, the losses of each result; and the judge that computed them."""
    recipe = options.build_recipe()

    from impasto.apps.cli.progress import reporter
    from impasto.inspection.judge import Judge

    with reporter(quiet=quiet or as_json) as report:
        judge = Judge(
            content,
            styles,
            recipe=recipe,
            device=options.device,
            precision=options.precision,
            max_pixels=options.max_pixels,
            progress=None if as_json else report.download,
        )
        judged: list[list[Judgement]] = []
        for size in sizes:
            judged.append([])
            for result in results:
                done = sum(map(len, judged))
                report.count(f"evaluating {result.name}", done, len(sizes) * len(results))
                judged[-1].append(judge(result, size=size))
    return judged, judge


def _sizes(text: str | None) -> list[int]:
    if text is None:
        return [0]
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = [0]
    if min(found) < 1:
        raise ParameterError(f"--sizes: expected whole numbers of pixels between commas, got {text!r}")
    return found


def _write_table(row: list[Judgement]) -> None:
    """A table of the terms at one size, with three columns for each result."""
    for number, each in enumerate(row):
        mark = f"[{number + 1}] " if len(row) > 1 else ""
        width, height = each.size
        sys.stdout.write(f"{mark}{each.result} at {width}x{height}: loss {each.loss:.6g}\n")
    marks = [f"[{number + 1}] " if len(row) > 1 else "" for number in range(len(row))]
    head = ["", "weight"]
    for mark in marks:
        head += [f"{mark}value", "weighted", "share"]
    rows = []
    for terms in zip(*(each.terms for each in row), strict=True):
        cells = [terms[0].name, f"{terms[0].weight:.4g}"]
        for term in terms:
            cells += [f"{term.value:.5g}", f"{term.weighted:.5g}", f"{term.share:.2%}"]
        rows.append(cells)
    rows.append(["total", "", *(cell for each in row for cell in ("", f"{each.loss:.5g}", ""))])
    table(head, rows, numbers_from=1)
