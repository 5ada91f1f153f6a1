"""`impasto sweep`: every content in every style at every combination of settings."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from impasto.apps.cli.inputs import check_pictures
from impasto.apps.cli.interrupts import STOPS, exit_code, signal_handlers
from impasto.apps.cli.messages import say
from impasto.apps.cli.options import DEFAULT_OPTIONS, Options, pictures
from impasto.apps.cli.output import parse_save_every
from impasto.apps.cli.parameters import Flag, Json, Quiet, WholeNumber
from impasto.apps.cli.table import table
from impasto.errors import ParameterError
from impasto.text import duration

if TYPE_CHECKING:
    from impasto.recipes.grid import Variant
    from impasto.sweeps.sweep import Sweep

_SWEEP = Group("Sweep", sort_key=0)


def _option(text: str, **more: Any) -> Parameter:
    """An option of the sweep itself, with its help."""
    return Parameter(group=_SWEEP, help=text, **more)


_Grid = Annotated[
    list[str] | None,
    _option(
        "A setting and its values, such as style_weight=5,20,80; may be given several times. Any setting of a "
        "recipe (`impasto presets impasto` prints them), or quality. Semicolons separate values that are lists, "
        "such as layers. The values of the first setting are the columns of the contact sheet.",
        show_default=False,
        negative=(),
    ),
]
_MoreContents = Annotated[
    list[Path] | None,
    _option(
        "A further content picture; may be given several times.",
        name="--content",
        show_default=False,
        negative=(),
    ),
]
_Folder = Annotated[Path, _option("The folder for all runs.", alias="-o")]
_Jobs = Annotated[
    WholeNumber,
    _option(
        "Number of runs to execute in parallel processes, which divide the threads and the memory equally. The "
        "number of threads affects the last bits of a picture: it is bit-identical to that of a single job with "
        "as many threads."
    ),
]
_SaveEvery = Annotated[
    str, _option("Also save each picture so far every N iterations, or at logarithmic intervals with log.")
]
_TensorBoard = Annotated[
    Flag,
    _option(
        "Also write losses, memory and pictures for TensorBoard into each run's folder. Needs "
        "impasto[tensorboard]. To view them: tensorboard --logdir OUTPUT."
    ),
]
_DryRun = Annotated[Flag, _option("Print the runs, with the time and memory of each, and write nothing.")]
_Json = Annotated[Json, _option("Print one JSON list of the runs, with settings, loss and seconds.")]


def sweep(
    content: Annotated[Path | None, Parameter(show_default=False)] = None,
    styles: Annotated[list[Path] | None, Parameter(show_default=False, negative=())] = None,
    /,
    *,
    grid: _Grid = None,
    more_contents: _MoreContents = None,
    output: _Folder = Path("sweep"),
    jobs: _Jobs = 1,
    save_every: _SaveEvery = "0",
    tensorboard: _TensorBoard = False,
    dry_run: _DryRun = False,
    as_json: _Json = False,
    quiet: Annotated[Quiet, Parameter(group=_SWEEP)] = False,
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Paint CONTENT in every STYLE at every combination of settings.

    The first picture is a content, all others are styles; `--content` adds contents. Each combination is a run in
    its own folder, bit-identical to one of `impasto stylize --run`. The sweep also writes a contact sheet, sheet.png,
    and a page, report.html. Repeating the command skips finished runs; another grid adds runs. Ctrl-C stops the sweep
    and keeps all checkpoints.

        impasto sweep photo.jpg painting.jpg --grid style_weight=5,20,80
        impasto sweep photo.jpg painting.jpg --grid style_weight=5,20,80 --grid style_scale=0.5,1,2 -o weights
        impasto sweep photo.jpg starry.jpg wave.jpg scream.jpg --quality draft
        impasto sweep photo.jpg starry.jpg wave.jpg --content cat.jpg --content dog.jpg --jobs 2
        impasto sweep photo.jpg painting.jpg --grid preset=impasto,gatys,crowson --dry-run

    Parameters
    ----------
    content
        The first content picture.
    styles
        The style pictures; each run uses one.
    """
    every = parse_save_every(save_every)
    if jobs < 1:
        raise ParameterError(f"--jobs: expected 1 or more, got {jobs}")
    found = _variants(grid or [], content, more_contents or [], styles or [], options)
    memory = options.memory_bytes

    # Importing torch takes a second; all cheap checks come before it.
    from impasto.jobs.job import Limits
    from impasto.runs.tensorboard import require
    from impasto.sweeps.sweep import Sweep

    if tensorboard:
        require()
    limits = Limits(max_pixels=options.max_pixels, memory=memory, save_every=every, tensorboard=tensorboard)
    planned = Sweep(output, found, jobs=jobs, limits=limits, strict=not dry_run)
    if not (quiet or as_json):
        for note in dict.fromkeys(note for job in planned.queue for note in job.notes):
            sys.stderr.write(f"note: {note}\n")
    if dry_run:
        return _write_plans(planned, as_json=as_json)
    return _paint(planned, as_json=as_json, quiet=quiet)


def _variants(
    grid: list[str], content: Path | None, more_contents: list[Path], styles: list[Path], options: Options
) -> tuple[Variant, ...]:
    """The variants of the grid, with the pictures given or those of ``--recipe``."""
    from impasto.recipes.grid import parse_grid, variants

    axes = parse_grid(grid)
    if options.style_weights is not None:
        raise ParameterError("--style-weights: expected none, since each run has one style")
    content, styles = pictures(options.build_recipe(), content, styles)
    check_pictures(more_contents)
    return variants(options.build_recipe, contents=[content, *more_contents], styles=styles, grid=axes)


def _paint(planned: Sweep, *, as_json: bool, quiet: bool) -> int:
    from impasto.apps.cli.progress import sweep_reporter

    names = [job.variant.name for job in planned.queue if job.state != "done"]
    before = len(planned.queue) - len(names)
    failed = 0
    with _stop_on_signal() as stopped:
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
        listed = f"impasto runs {shlex.quote(str(planned.folder))}"
        say(f"{failed} of {len(runs)} runs failed; to list them:", command=listed)
    if stopped and done < len(runs):
        sys.stderr.write(
            f"impasto: interrupted, {done} of {len(runs)} pictures are done; the same command resumes the sweep\n"
        )
        return exit_code(stopped[0])
    return int(done < len(runs))


@contextmanager
def _stop_on_signal() -> Iterator[list[int]]:
    """A list of the signals that have come and stop the command; the current iteration is finished first.

    A second signal has no further effect.
    """
    stopped: list[int] = []

    def stop(number: int, frame: object) -> None:
        if not stopped:
            sys.stderr.write("impasto: stopping after this iteration\n")
        stopped.append(number)

    with signal_handlers(dict.fromkeys(STOPS, stop)):
        yield stopped


def _write_plans(planned: Sweep, *, as_json: bool) -> int:
    from impasto.transfer.planner import format_bytes
    from impasto.transfer.resources import PICTURE_BYTES, TARGET_BYTES

    pending = [job for job in planned.queue if job.state != "done"]
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
    plans = [job.plan for job in pending if job.plan is not None]
    seconds = sum(plan.seconds for plan in plans)
    most = planned.jobs * max((plan.memory for plan in plans), default=0)
    unknown = len(pending) - len(plans)
    beside = f"; {unknown} with a network of unknown memory" if unknown else ""
    cache = planned.jobs * (TARGET_BYTES + PICTURE_BYTES)
    sys.stdout.write(
        f"{len(pending)} of {len(rows)} to paint: about {duration(seconds)}, {format_bytes(most)} of memory"
        f" and up to {format_bytes(cache)} of shared cache{beside}\n"
    )
    return 0
