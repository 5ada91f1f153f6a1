"""`impasto resume`, `runs`, `show`, `compare`, `rerun`: commands for the folders of runs."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from impasto.apps.cli.interrupts import interruptible
from impasto.apps.cli.messages import say
from impasto.apps.cli.options import DEFAULT_CHANGED_OPTIONS, ChangedOptions
from impasto.apps.cli.output import DEFAULT_OUTPUT, Output, claimed, parse_save_every
from impasto.apps.cli.painting import paint, paint_given
from impasto.apps.cli.parameters import Flag, Force, Json, JsonObject, OutputFile, Quiet, Strict, whole_number
from impasto.apps.cli.table import table
from impasto.errors import ParameterError
from impasto.recipes.parsing import parse_changes

if TYPE_CHECKING:
    from impasto.recipes.recipe import Recipe
    from impasto.runs.recording import Recording, SaveEvery


def resume(
    run: Path,
    /,
    *,
    settings: Annotated[
        list[str] | None, Parameter(name="--set", negative=(), consume_multiple=False)
    ] = None,
    back_to: Annotated[int | None, Parameter(converter=whole_number)] = None,
    output: OutputFile = None,
    force: Force = False,
    save_every: str | None = None,
    tensorboard: Flag = False,
    as_json: JsonObject = False,
    quiet: Quiet = False,
) -> int:
    """Resume a run that was stopped, killed or interrupted by a power cut.

    It resumes from the last checkpoint; the result is bit-identical to that of an uninterrupted run.

        impasto resume run1
        impasto resume run1 --set style_weight=60 --set learning_rate=0.5
        impasto resume run1 --back-to 40                  # also for a finished run

    Parameters
    ----------
    run
        The folder of a run (`impasto stylize --run`).
    settings
        SETTING=VALUE: change a setting from here on: content_weight, style_weight, strength, tv_weight,
        style_weights, content_layers, style_layers or learning_rate. The recipe records the change and its iteration.
    back_to
        Rewind to the state after this number of iterations, with its settings; later iterations are discarded.
    output
        Also write the result to this file.
    save_every
        Also save the picture so far every N iterations, or at logarithmic intervals with log. By default as in the
        run so far.
    tensorboard
        Also write losses, memory and pictures for TensorBoard into the run's folder.
    """
    from impasto.runs.readers import read_recipe

    change = parse_changes(settings or [], option="--set")
    every = None if save_every is None else parse_save_every(save_every)
    wanted = Output(path=output, run=run, force=force, tensorboard=tensorboard, as_json=as_json, quiet=quiet)
    wanted.check()
    read_recipe(run)  # which needs no torch
    with interruptible():
        return _go_on(run, wanted, every, back_to=back_to, change=change)


def _go_on(
    run: Path,
    output: Output,
    every: SaveEvery | None,
    *,
    back_to: int | None,
    change: Mapping[str, Any],
) -> int:
    """Resume a run, paint it to its end, and write the result to the output's file too."""
    from impasto.apps.cli.progress import reporter
    from impasto.runs.readers import iterations_done
    from impasto.runs.recording import Recording
    from impasto.runs.resume import resume

    silent = output.quiet or output.as_json
    with output.claimed(run.resolve().name, run.glob("*")) as claimed, reporter(quiet=silent) as report:
        session, folder = resume(
            run,
            back_to=back_to,
            change=change,
            progress=None if output.as_json else report.download,
            on_note=report.note,
        )
        begun = iterations_done(run) if back_to is None else back_to
        with folder:
            recording = Recording(session, folder, save_every=every, tensorboard=output.tensorboard)
            if not silent:
                sys.stderr.write(_where_it_goes_on(run, recording, begun))
            return paint(session, report, recording, claimed)


def _where_it_goes_on(run: Path, recording: Recording, begun: int) -> str:
    """A line about the first iteration, and those that are repeated because no checkpoint is newer."""
    first = recording.done + 1
    again = f"; {first} to {begun} are painted again, up to the same picture" if begun >= first else ""
    return f"{run}: goes on at iteration {first} of {recording.planned}{again}\n"


def runs(
    folder: Annotated[Path, Parameter(show_default=False)] = Path(),
    /,
    *,
    as_json: Json = False,
) -> int:
    """List the runs in FOLDER, by default this one.

    The columns are status, pictures, size, iterations, loss and time. `impasto stylize --run` and `impasto sweep`
    create runs.

        impasto runs
        impasto runs experiments

    Parameters
    ----------
    folder
        The folder to search, at any depth.
    as_json
        Print one JSON list.
    """
    from impasto.runs.readers import find, overview

    found = [overview(path) for path in find(folder)]
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
        return 0
    if not found:
        say(
            f"no runs in {folder.resolve()}; to create one:",
            command="impasto stylize CONTENT STYLE --run RUN",
        )
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


def show(run: Path, /, *, as_json: Json = False) -> int:
    """Print everything about a run.

    This includes its status, the settings that differ from the preset, changes and undos, and losses.

        impasto show runs/first
        impasto show runs/first --json > first.json

    Parameters
    ----------
    run
        The run's folder.
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
    output: OutputFile = None,
    force: Force = False,
    as_json: JsonObject = False,
) -> int:
    """Print the differences between two runs, or draw them.

    It compares settings, losses and time. Settings that are equal in both runs are omitted.

        impasto compare runs/first runs/second
        impasto compare runs/first runs/second -o compare.png
        impasto compare runs/first runs/second -o compare.html

    Parameters
    ----------
    first, second
        The folders of the runs.
    output
        Also write this file: a picture (.png) of both results, the differences and both loss curves; or a page
        (.html) with a slider between the results.
    """
    from impasto.recipes.differences import differences
    from impasto.runs.readers import overview, read_recipe

    recipes = read_recipe(first), read_recipe(second)
    changed = differences(*recipes)
    both = [overview(path) for path in (first, second)]
    if output is not None:
        from impasto.reports.comparison import check_output, write

        check_output(output)
        inputs = [file for run in (first, second) for file in run.glob("*")]
        with claimed(output, stem="", suffix="", inputs=inputs, force=force):
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
    options: ChangedOptions = DEFAULT_CHANGED_OPTIONS,
    output: Output = DEFAULT_OUTPUT,
    strict: Strict = False,
) -> int:
    """Paint a picture or a run again, with some settings changed.

    All other settings are those of its recipe. Without changes the result is the same picture.

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
        raise ParameterError(
            f"--recipe: expected none beside {shlex.quote(str(source))}, which provides the recipe"
        )
    recipe = source / RECIPE if source.is_dir() else source
    return paint_given(None, [], options=replace(options, recipe=recipe), output=output, strict=strict)


def _preset(recipe: Recipe) -> Recipe:
    from impasto.recipes.presets import resolve

    return resolve(recipe.preset, faithful=recipe.faithful)


def _short(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
