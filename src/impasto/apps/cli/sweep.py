"""`impasto sweep`: every content in every style at every combination of settings, side by side."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from impasto.apps.cli.formatting import duration
from impasto.apps.cli.interrupts import handling
from impasto.apps.cli.options import UNCHANGED, Options, pictures, whole
from impasto.apps.cli.output import parse_save_every
from impasto.apps.cli.table import table
from impasto.errors import ParameterError

if TYPE_CHECKING:
    from impasto.sweeps.sweep import Sweep

_SWEEP = Group("Sweep", sort_key=0)


def sweep(
    content: Annotated[Path | None, Parameter(show_default=False)] = None,
    styles: Annotated[list[Path] | None, Parameter(show_default=False, negative=())] = None,
    /,
    *,
    grid: Annotated[list[str] | None, Parameter(group=_SWEEP, show_default=False, negative=())] = None,
    more_contents: Annotated[
        list[Path] | None, Parameter(name="--content", group=_SWEEP, show_default=False, negative=())
    ] = None,
    output: Annotated[Path, Parameter(alias="-o", group=_SWEEP)] = Path("sweep"),
    jobs: Annotated[int, Parameter(group=_SWEEP, converter=whole)] = 1,
    save_every: Annotated[str, Parameter(group=_SWEEP)] = "0",
    tensorboard: Annotated[bool, Parameter(group=_SWEEP, negative=())] = False,
    dry_run: Annotated[bool, Parameter(group=_SWEEP, negative=())] = False,
    as_json: Annotated[bool, Parameter(name="--json", group=_SWEEP, negative=())] = False,
    quiet: Annotated[bool, Parameter(alias="-q", group=_SWEEP, negative=())] = False,
    options: Options = UNCHANGED,
) -> int:
    """Paint CONTENT in each of the STYLES, each by itself, at every combination of the settings in the grid.

    The first picture is a content, all others are styles; `--content` adds contents. Every combination is a run in
    a folder of its own, as `impasto stylize --run` makes it, and the same picture to the last bit. Beside them
    are a contact sheet, sheet.png, and a page, report.html. The same command again paints only what is not done
    yet; another grid adds to what is there. Ctrl-C stops, and keeps what there is.

        impasto sweep photo.jpg painting.jpg --grid style_weight=5,20,80
        impasto sweep photo.jpg painting.jpg --grid style_weight=5,20,80 --grid style_scale=0.5,1,2 -o weights
        impasto sweep photo.jpg starry.jpg wave.jpg scream.jpg --quality draft
        impasto sweep photo.jpg starry.jpg wave.jpg --content cat.jpg --content dog.jpg --jobs 2
        impasto sweep photo.jpg painting.jpg --grid preset=impasto,gatys,crowson --dry-run

    Parameters
    ----------
    content
        The first picture whose content is kept.
    styles
        The pictures whose style is taken, one at a time.
    grid
        A setting and its values, such as style_weight=5,20,80; may be given several times. Any setting of a recipe
        (`impasto presets impasto` prints them), or quality. Lists such as layers stand between semicolons. The
        first setting makes the sheet's columns.
    more_contents
        A further picture whose content is kept; may be given several times.
    output
        The folder for all of it.
    jobs
        How many pictures to paint at once, each in a process of its own with its share of the threads and of the
        memory. Threads change the last bits of a picture: it is the one that a single job with so many paints.
    save_every
        Also save each picture so far every N iterations, or, with log, ever more rarely.
    tensorboard
        Also write losses, memory and pictures for TensorBoard into each run's folder, while it is painted. Needs
        impasto[tensorboard]; look with: tensorboard --logdir OUTPUT.
    dry_run
        Say which runs there would be, and what time and memory each takes; nothing is written.
    as_json
        Print one JSON list of runs, with settings, loss and seconds.
    quiet
        No progress.
    """
    from impasto.recipes.grid import parse_grid, variants

    every = parse_save_every(save_every)
    if jobs < 1:
        raise ParameterError(f"--jobs: expected 1 or more, got {jobs}")
    axes = parse_grid(grid or [])
    if options.style_weights is not None:
        raise ParameterError("--style-weights: a sweep paints each style by itself, expected none")
    settings, memory = options.build_recipe(), options.memory_bytes
    content, styles = pictures(settings, content, styles or [])
    found = variants(
        options.build_recipe,
        contents=[content, *(more_contents or [])],
        styles=styles,
        grid=axes,
    )

    # From here on torch is needed, which takes a second to load: everything cheap has been judged.
    from impasto.jobs.job import Limits
    from impasto.runs.tensorboard import require
    from impasto.sweeps.sweep import Sweep

    if tensorboard:
        require()
    limits = Limits(max_pixels=options.max_pixels, memory=memory, save_every=every, tensorboard=tensorboard)
    planned = Sweep(output, found, jobs=jobs, limits=limits)
    if not (quiet or as_json):
        for note in dict.fromkeys(note for job in planned.queue for note in job.notes):
            sys.stderr.write(f"note: {note}\n")
    if dry_run:
        return _say_plans(planned, as_json=as_json)
    return _paint(planned, as_json=as_json, quiet=quiet)


def _paint(planned: Sweep, *, as_json: bool, quiet: bool) -> int:
    from impasto.apps.cli.progress import sweep_reporter

    names = [job.variant.name for job in planned.queue if job.state != "done"]
    before = len(planned.queue) - len(names)
    failed = 0
    with _stoppable() as stopped:
        with (
            sweep_reporter(names, quiet=quiet or as_json) as report,
            closing(planned.paint(download=report.download)) as events,
        ):
            for event in events:
                report.event(event)
                failed += event.status == "failed"
                if stopped:
                    break
        written = [path for path in (planned.write_sheet(), planned.write_report()) if path is not None]
    runs = planned.overview()
    if as_json:
        sys.stdout.write(json.dumps(runs) + "\n")
    else:
        for path in written:
            sys.stdout.write(f"{path}\n")
    done = sum(run["status"] == "done" for run in runs)
    if not as_json:
        seconds = sum(run["seconds"] for run in runs)
        there = f", {before} of them before" if before else ""
        sys.stdout.write(
            f"{planned.folder}: {done} of {len(runs)} pictures done{there}, {seconds:.0f} s of painting\n"
        )
    if failed:
        sys.stderr.write(
            f"impasto: {failed} of {len(runs)} runs failed; impasto runs {_quoted(planned)} lists them\n"
        )
    if stopped and done < len(runs):
        sys.stderr.write(
            f"impasto: interrupted, {done} of {len(runs)} pictures are done; the same command goes on with it\n"
        )
    return int(done < len(runs))


@contextmanager
def _stoppable() -> Iterator[list[int]]:
    """A list that gets something when Ctrl-C, or a polite kill, comes: the iteration under way is done first.

    A second one, out of impatience, changes nothing more.
    """
    stopped: list[int] = []

    def stop(number: int, frame: object) -> None:
        if not stopped:
            sys.stderr.write("impasto: stopping after this iteration, to keep what there is\n")
        stopped.append(number)

    with handling({signal.SIGINT: stop, signal.SIGTERM: stop}):
        yield stopped


def _say_plans(planned: Sweep, *, as_json: bool) -> int:
    from impasto.transfer.planner import format_bytes
    from impasto.transfer.resources import PICTURE_BYTES, TARGET_BYTES

    left = [job for job in planned.queue if job.state != "done"]
    if as_json:
        runs = [
            {
                **about,
                "planned_seconds": job.plan and round(job.plan.seconds, 1),
                "planned_memory": job.plan and job.plan.memory,
            }
            for job, about in zip(planned.queue, planned.overview(), strict=True)
        ]
        sys.stdout.write(json.dumps(runs) + "\n")
        return 0
    rows = [
        (
            job.variant.name,
            job.state,
            "" if job.plan is None else duration(job.plan.seconds),
            "" if job.plan is None else format_bytes(job.plan.memory),
        )
        for job in planned.queue
    ]
    table(("run", "is", "time", "memory"), rows)
    plans = [job.plan for job in left if job.plan is not None]
    seconds = sum(plan.seconds for plan in plans)
    most = planned.jobs * max((plan.memory for plan in plans), default=0)
    unknown = len(left) - len(plans)
    beside = f"; {unknown} of a network whose memory is not known" if unknown else ""
    kept = planned.jobs * (TARGET_BYTES + PICTURE_BYTES)
    sys.stdout.write(
        f"{len(left)} of {len(rows)} to paint: about {duration(seconds)}, {format_bytes(most)} of memory"
        f" and up to {format_bytes(kept)} for what they share{beside}\n"
    )
    return 0


def _quoted(planned: Sweep) -> str:
    return shlex.quote(str(planned.folder))
