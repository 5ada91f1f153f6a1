"""Painting a picture from the command line into a file, a run's folder, or both."""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from impasto.apps.cli.options import Options, pictures
from impasto.errors import ParameterError

if TYPE_CHECKING:
    from impasto.apps.cli.progress import Reporter
    from impasto.recipes.recipe import Recipe
    from impasto.runs.recording import Recording, SaveEvery
    from impasto.transfer.driver import Driver
    from impasto.transfer.result import Result
    from impasto.transfer.session import Session
from impasto.apps.cli.interrupts import ignoring_signals, stopping
from impasto.apps.cli.output import Output, parse_save_every


def paint_given(content: Path | None, styles: list[Path], *, options: Options, output: Output) -> int:
    """Paint with these options, from these pictures or those of ``--recipe``. Returns the exit code."""
    settings = options.build_recipe()
    content, styles = pictures(settings, content, styles)
    output = output.with_default_name(f"{content.stem}-{styles[0].stem}")
    return paint_recipe(settings, content, styles, options=options, output=output)


def paint_recipe(
    settings: Recipe, content: Path, styles: list[Path], *, options: Options, output: Output
) -> int:
    """Paint a recipe into a file, a run's folder, or both. Returns the exit code."""
    every, memory = parse_save_every(output.save_every), options.memory_bytes
    if output.tensorboard and output.run is None:
        raise ParameterError(
            "--tensorboard: expected together with --run, whose folder it writes into, got no --run"
        )

    # Importing torch takes a second; all cheap checks come before it.
    from impasto import images
    from impasto.apps.cli.progress import reporter
    from impasto.runs.folder import RunFolder
    from impasto.runs.readers import check_new
    from impasto.runs.recording import Recording
    from impasto.runs.tensorboard import require
    from impasto.transfer.pictures import Sources
    from impasto.transfer.session import Limits, Session

    if output.path is not None:
        images.check_output(output.path, bits=output.bits)
    if output.tensorboard:
        require()
    if output.run is not None:
        check_new(output.run)
        # The recipe in the folder must be valid in every working directory.
        content, styles = content.resolve(), [style.resolve() for style in styles]
        settings = settings.absolute()
    with reporter(quiet=output.quiet or output.as_json) as report, ExitStack() as held:
        session = Session(
            settings,
            Sources(content, styles),
            limits=Limits(options.max_pixels, memory),
            asked=options.asked(),
            progress=None if output.as_json else report.download,
            on_note=None if output.as_json else write_note,
        )
        recording = None
        if output.run is not None:
            folder = held.enter_context(RunFolder(output.run))
            recording = Recording(session, folder, save_every=every, tensorboard=output.tensorboard)
        return paint(
            session,
            report,
            recording,
            output.path,
            save_every=every,
            bits=output.bits,
            as_json=output.as_json,
        )


def paint(
    session: Session,
    report: Reporter,
    recording: Recording | None,
    output: Path | None,
    *,
    save_every: SaveEvery = 0,
    bits: Literal[8, 16] = 8,
    as_json: bool = False,
) -> int:
    """Run a session to its end or to Ctrl-C; write a run's folder, a file, or both. Returns the exit code."""
    from impasto.runs.recording import recording_failure
    from impasto.transfer.driver import Driver

    session.load()
    report.start(session)
    result, path = None, output
    driver = Driver(session.steps() if recording is None else recording)
    with recording_failure(recording):
        interrupted = _iterate(driver, report, session, output, save_every, bits)
        last, notes = driver.last, driver.notes
        if recording is not None and recording.last is not last and recording.last is not None:
            last = recording.last  # Ctrl-C came while this step was being written
            notes += last.notes
        if last is None:
            raise KeyboardInterrupt
        with ignoring_signals():
            if driver.stopped and recording is not None:
                recording.write_checkpoint(last)
            result = session.result(last, notes=notes)
            if recording is not None:
                path = recording.finish(result, bits=bits)
            if output is not None:
                path = result.save(output, bits=bits)
    assert path is not None
    for note in [] if as_json or recording is None else recording.notes:
        sys.stderr.write(f"note: {note}\n")
    _write_summary(result, session, path, as_json=as_json)
    if not interrupted:
        return 0
    here, left = shlex.quote(str(path)), max(1, last.planned - last.done)
    again = f"stylize --recipe {here} --init {here} --steps {left}"
    if recording is not None:
        again = f"resume {shlex.quote(str(recording.folder.path))}"
    sys.stderr.write(
        f"impasto: interrupted after {result.steps} iterations; {path} is the picture so far; "
        f"to continue: impasto {again}\n"
    )
    return 1


def write_note(note: str) -> None:
    """Print a note."""
    sys.stderr.write(f"note: {note}\n")


def _iterate(
    driver: Driver,
    report: Reporter,
    session: Session,
    output: Path | None,
    save_every: SaveEvery,
    bits: Literal[8, 16],
) -> bool:
    """Iterate to the end. Returns whether Ctrl-C came before the last iteration."""
    from impasto import images
    from impasto.runs.recording import is_save_step

    with stopping(driver):
        try:
            for step in driver:
                report.step(step)
                if output is not None and is_save_step(step.done, save_every):
                    path = output.with_name(f"{output.stem}-{step.done:04d}{output.suffix}")
                    images.write(path, step.image, bits=bits, metadata=session.recipe.to_toml())
        except KeyboardInterrupt:
            return True
    # A stop during the last iteration interrupts nothing.
    return driver.stopped and driver.newest.done < driver.newest.planned


def _write_summary(result: Result, session: Session, target: Path, *, as_json: bool) -> None:
    width, height = result.size
    if as_json:
        summary = {
            "output": str(target),
            "size": [width, height],
            "steps": result.steps,
            "stopped": result.stopped,
            "seconds": {phase: round(value, 3) for phase, value in result.seconds.items()},
            "loss": result.loss,
            "losses": dict(result.losses),
            "peak_memory": result.peak_memory,
            "device": result.device,
            "precision": result.precision,
            "notes": list(result.notes),
            "recipe": result.recipe.model_dump(mode="json", exclude_none=True),
        }
        sys.stdout.write(json.dumps(summary) + "\n")
        return
    sys.stdout.write(
        f"{target}: {width}x{height}, {result.steps} iterations, {result.seconds['total']:.0f} s, "
        f"loss {result.loss:.4g}, {result.peak_memory / 1e9:.1f} GB, "
        f"{result.device} {result.precision}\n"
    )
