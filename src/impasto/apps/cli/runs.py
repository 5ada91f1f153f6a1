"""`impasto resume`, `runs`, `show`, `compare`, `rerun`: what can be done with the folders that `--run` makes."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from impasto.apps.cli.options import UNCHANGED, Options, whole
from impasto.apps.cli.output import TO_A_FREE_NAME, Output
from impasto.apps.cli.painting import paint, paint_given
from impasto.apps.cli.table import table
from impasto.errors import ParameterError
from impasto.recipes.parsing import parse_changes

if TYPE_CHECKING:
    from impasto.recipes.recipe import Recipe


def resume(
    run: Path,
    /,
    *,
    settings: Annotated[
        list[str] | None, Parameter(name="--set", negative=(), consume_multiple=False)
    ] = None,
    back_to: Annotated[int | None, Parameter(converter=whole)] = None,
    output: Annotated[Path | None, Parameter(alias="-o")] = None,
    save_every: str | None = None,
    tensorboard: Annotated[bool, Parameter(negative=())] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
    quiet: Annotated[bool, Parameter(alias="-q", negative=())] = False,
) -> int:
    """Go on with a run that was stopped, killed, or lost its power; the picture is the same to the last bit.

    It goes on from its last checkpoint.

        impasto resume run1
        impasto resume run1 --set style_weight=60 --set learning_rate=0.5
        impasto resume run1 --back-to 40                  # also of a run that is done

    Parameters
    ----------
    run
        The folder that `impasto stylize --run` made.
    settings
        SETTING=VALUE: a setting that is another from here on: content_weight, style_weight, strength, tv_weight,
        style_weights, content_layers, style_layers or learning_rate. The recipe keeps it, and when it was.
    back_to
        Go on from where so many iterations had been done, with the settings of then; what came after is dropped.
    output
        Also write the result here.
    save_every
        Also save the picture so far every N iterations, or, with log, ever more rarely; without it as the run was
        begun.
    tensorboard
        Also write losses, memory and pictures for TensorBoard into the run's folder.
    as_json
        Print one JSON object at the end, and nothing else.
    quiet
        No progress.
    """
    from impasto import images
    from impasto.apps.cli.output import parse_save_every
    from impasto.apps.cli.progress import reporter
    from impasto.runs.recording import Recording
    from impasto.runs.resume import resume

    change = parse_changes(settings or [], option="--set")
    every = None if save_every is None else parse_save_every(save_every)
    if output is not None:
        images.check_output(output)
    with reporter(quiet=quiet or as_json) as report:
        session, folder = resume(
            run, back_to=back_to, change=change, progress=None if as_json else report.download
        )
        with folder:
            recording = Recording(session, folder, save_every=every, tensorboard=tensorboard)
            return paint(session, report, recording, output, as_json=as_json)


def runs(
    folder: Annotated[Path, Parameter(show_default=False)] = Path(),
    /,
    *,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """List the runs in FOLDER, or in this one: status, size, iterations, loss, time.

    A run is what `impasto stylize --run` or a sweep made.

        impasto runs
        impasto runs experiments

    Parameters
    ----------
    folder
        Where to look, at any depth.
    as_json
        Print one JSON list.
    """
    from impasto.runs.readers import find, overview

    found = [overview(path) for path in find(folder)]
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
        return 0
    if not found:
        sys.stderr.write(f"no runs in {folder.resolve()}; impasto stylize --run DIR makes one\n")
        return 0
    rows = [
        (
            each["run"],
            each["status"],
            each["pictures"],
            "x".join(map(str, each["size"])) if each["size"] else "",
            f"{each['done']}/{each['planned']}",
            "" if each["loss"] is None else f"{each['loss']:.4g}",
            f"{each['seconds']:.0f} s",
        )
        for each in found
    ]
    table(("run", "status", "pictures", "size", "iterations", "loss", "time"), rows)
    return 0


def show(run: Path, /, *, as_json: Annotated[bool, Parameter(name="--json", negative=())] = False) -> int:
    """Say all about one run.

    Status, settings that differ from the defaults, what was changed and undone, losses.

        impasto show runs/first
        impasto show runs/first --json > first.json

    Parameters
    ----------
    run
        Its folder.
    as_json
        Print one JSON object, with every iteration.
    """
    from impasto.recipes.differences import differences
    from impasto.runs.readers import overview, read_events, read_recipe, read_steering, read_summary

    recipe = read_recipe(run)
    steering = list(read_steering(run))
    events = list(read_events(run))
    if as_json:
        summary = read_summary(run)
        document = {
            **overview(run),
            "summary": summary and summary.model_dump(mode="json"),
            "recipe": recipe.model_dump(mode="json", exclude_none=True),
            "events": events,
            "steering": steering,
        }
        sys.stdout.write(json.dumps(document) + "\n")
        return 0
    about = overview(run)
    sys.stdout.write(f"{run}: {about['status']}, {about['done']} of {about['planned']} iterations\n")
    for what, picture in recipe.inputs:
        sys.stdout.write(f"  {what}: {picture.path}\n")
    plain = recipe.model_copy(update={"changes": ()})
    for name, (_, value) in differences(_preset(recipe), plain).items():
        sys.stdout.write(f"  {name} = {value}\n")
    for change in recipe.changes:
        for name, value in change.model_dump(mode="json", include=set(change.settings)).items():
            sys.stdout.write(f"  after {change.at} iterations: {name} = {value}\n")
    for each in steering:
        if each["steered"] == "undo":
            sys.stdout.write(f"  undone: {each['done']} iterations, back to {each['to']} ({each['time']})\n")
    summary = read_summary(run)
    if summary is not None:
        width, height = summary.size
        sys.stdout.write(
            f"  {width}x{height} on {summary.device} in {summary.precision}, {summary.threads} threads, "
            f"{summary.seconds:.0f} s, {summary.peak_memory / 1e9:.1f} GB\n"
        )
        if summary.loss is not None:
            sys.stdout.write(f"  loss {summary.loss:.5g}\n")
        for name, value in summary.losses.items():
            sys.stdout.write(f"    {name} {value:.5g}\n")
        for note in summary.notes:
            sys.stdout.write(f"  note: {note}\n")
    return 0


def compare(
    first: Path,
    second: Path,
    /,
    *,
    output: Annotated[Path | None, Parameter(alias="-o")] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Say how two runs differ: settings, losses, time; with -o also show it.

    What is the same in both is left out.

        impasto compare runs/first runs/second
        impasto compare runs/first runs/second -o compare.png
        impasto compare runs/first runs/second -o compare.html

    Parameters
    ----------
    first, second
        Their folders.
    output
        Also write this: both pictures, what differs and both losses as one picture (.png), or as a page on which
        one picture lies over the other (.html).
    as_json
        Print one JSON object.
    """
    from impasto.recipes.differences import differences
    from impasto.runs.readers import overview, read_recipe

    recipes = read_recipe(first), read_recipe(second)
    changed = differences(*recipes)
    both = [overview(path) for path in (first, second)]
    if output is not None:
        from impasto.reports.comparison import write

        write(output, first, second)
    if as_json:
        sys.stdout.write(json.dumps({"differences": changed, "runs": both}) + "\n")
        return 0
    rows = [(name, str(one), str(other)) for name, (one, other) in changed.items()]
    rows += [
        (name, _short(both[0][name]), _short(both[1][name])) for name in ("status", "done", "loss", "seconds")
    ]
    table(("", str(first), str(second)), rows)
    if output is not None:
        sys.stdout.write(f"{output}\n")
    return 0


def rerun(
    source: Path,
    /,
    *,
    options: Options = UNCHANGED,
    output: Output = TO_A_FREE_NAME,
) -> int:
    """Paint a picture again, from the picture or from its run, with what is given changed.

    With nothing changed it is the same picture.

        impasto rerun out.png --seed 1
        impasto rerun runs/first --style-weight 60 --run runs/second
        impasto rerun runs/first --save-every log --run runs/again    # for impasto animate

    Parameters
    ----------
    source
        A picture painted by impasto, a run's folder, or a .toml file.
    """
    from dataclasses import replace

    from impasto.runs.layout import RECIPE

    if options.recipe is not None:
        raise ParameterError(f"--recipe: not together with {shlex.quote(str(source))}, which is one")
    recipe = source / RECIPE if source.is_dir() else source
    return paint_given(None, [], options=replace(options, recipe=recipe), output=output)


def _preset(recipe: Recipe) -> Recipe:
    from impasto.recipes.presets import resolve

    return resolve(recipe.preset, faithful=recipe.faithful)


def _short(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
