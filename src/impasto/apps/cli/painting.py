"""Painting a picture from the command line into a file, a run's folder, or both."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from impasto.apps.cli.interrupts import (
    STOPS,
    Stopped,
    exit_code,
    ignoring_signals,
    interruptible,
    stopping,
)
from impasto.apps.cli.options import PaintingOptions, pictures
from impasto.apps.cli.output import Output, default_stem, from_stdin, parse_save_every, show_in_viewer
from impasto.errors import ParameterError
from impasto.recipes.differences import changed_pictures

if TYPE_CHECKING:
    from impasto.apps.cli.progress import Reporter
    from impasto.recipes.recipe import Recipe
    from impasto.runs.recording import Recording
    from impasto.transfer.driver import Driver
    from impasto.transfer.resources import Resources
    from impasto.transfer.result import Result
    from impasto.transfer.session import Session


@dataclass(frozen=True)
class Given:
    """What is painted.

    Attributes:
        recipe: the settings. Pictures that they name with a hash are expected to be unchanged.
        content, styles: the pictures.
        stem: of the result's default name.
        strict: refuse changed pictures.
        resources: shared by several pictures.
        keep_stopped: write the picture so far after a stop.
    """

    recipe: Recipe
    content: Path
    styles: list[Path]
    stem: str
    strict: bool = False
    resources: Resources | None = None
    keep_stopped: bool = True

    def inputs(self, options: PaintingOptions) -> list[Path]:
        """The files that no output may replace."""
        named = [Path(each.path) for _, each in self.recipe.inputs]
        named += [] if options.recipe_file is None else [options.recipe_file]
        return [self.content, *self.styles, *named]


def paint_given(
    content: Path | None,
    styles: list[Path],
    *,
    options: PaintingOptions,
    output: Output,
    strict: bool = False,
) -> int:
    """Paint with these options, from these pictures or those of ``--recipe``. Returns the exit code."""
    recipe = options.build_recipe()
    found, paintings = pictures(recipe, content, styles)
    # Pictures that are given replace those of the recipe, and may have any content.
    recipe = recipe.model_copy(
        update={**({"content": None} if content else {}), **({"styles": ()} if styles else {})}
    )
    stem = default_stem(found, paintings[0])
    return paint_recipe(Given(recipe, found, paintings, stem, strict), options=options, output=output)


def paint_recipe(given: Given, *, options: PaintingOptions, output: Output) -> int:
    """Paint into a file, a run's folder, or both. Returns the exit code."""
    every, memory = parse_save_every(output.save_every), options.memory_bytes
    output.check()

    # Importing torch takes a second; all cheap checks come before it.
    from impasto.apps.cli.progress import reporter, size_note
    from impasto.runs.folder import RunFolder
    from impasto.runs.readers import check_new
    from impasto.runs.recording import Recording
    from impasto.runs.tensorboard import require
    from impasto.transfer.pictures import Sources
    from impasto.transfer.session import Limits, Session

    if output.tensorboard:
        require()
    if output.run is not None:
        check_new(output.run)
    with interruptible(), ExitStack() as held:
        content, *styles = held.enter_context(from_stdin([given.content, *given.styles], output.run))
        reserved = held.enter_context(output.claimed(given.stem, given.inputs(options)))
        settings = given.recipe
        if output.run is not None:
            # The recipe in the folder must be valid in every working directory.
            content, styles = content.resolve(), [style.resolve() for style in styles]
            settings = settings.absolute()
        report = held.enter_context(reporter(quiet=output.quiet or output.as_json))
        session = Session(
            settings,
            Sources(content, styles),
            limits=Limits(options.max_pixels, memory),
            asked=options.asked(),
            progress=None if output.as_json else report.download,
            resources=given.resources,
            on_note=report.note,
        )
        _check_unchanged(given, session)
        session.load(measuring=report.measuring)
        if options.has_default_size and (note := size_note(session)):
            report.note(note)
        recording = None
        if output.run is not None:
            folder = held.enter_context(RunFolder(output.run))
            recording = Recording(session, folder, save_every=every, tensorboard=output.tensorboard)
        return paint(session, report, recording, reserved, keep_stopped=given.keep_stopped)


def _check_unchanged(given: Given, session: Session) -> None:
    """Add a note about each picture that has changed since the recipe was written; refuse it where that is asked."""
    changed = changed_pictures(given.recipe, session.recipe)
    if changed and given.strict:
        raise ParameterError(f"--strict: expected the pictures of the recipe, got {'; '.join(changed)}")
    session.note(*changed)


def paint(
    session: Session,
    report: Reporter,
    recording: Recording | None,
    output: Output,
    *,
    keep_stopped: bool = True,
) -> int:
    """Run a session to its end or to a stop; write a run's folder, a file, or both. Returns the exit code.

    Args:
        output: its ``path`` is the file, already reserved; None for a run's folder alone.
        keep_stopped: write the picture so far after a stop.
    """
    from impasto.runs.recording import recording_failure
    from impasto.transfer.driver import Driver

    session.load(measuring=report.measuring)
    report.start(session)
    driver = Driver(session.steps() if recording is None else recording)
    with recording_failure(recording):
        stopped = _iterate(driver, report, session, output)
        last, notes = driver.last, driver.notes
        if recording is not None and recording.last is not last and recording.last is not None:
            last = recording.last  # Ctrl-C came while this step was being written
            notes += last.notes
        if last is None or (stopped and not keep_stopped):
            raise Stopped(stopped or STOPS[0])
        with ignoring_signals():
            if driver.stopped and recording is not None:
                recording.write_checkpoint(last)
            result = session.result(last, notes=notes)
            path = output.path
            if recording is not None:
                path = recording.finish(result, bits=output.bits)
            if output.path is not None:
                output.write(output.path, result.image, result.recipe)
                path = output.path
    assert path is not None
    _write_notes([] if recording is None else recording.notes, output)
    if output.path is not None and not output.no_recipe and not output.embeds_recipe:
        sys.stderr.write(f"note: {path}: a file of this format has no place for the recipe\n")
    _write_summary(result, path, output)
    if output.view:
        show_in_viewer(path)
    if not stopped:
        return 0
    _write_how_to_continue(result, path, last.planned, recording, output)
    return exit_code(stopped)


def _iterate(driver: Driver, report: Reporter, session: Session, output: Output) -> int:
    """Iterate to the end. Returns the number of the signal that came before the last iteration; 0 for none."""
    from impasto.runs.recording import is_save_step

    every = parse_save_every(output.save_every)
    with stopping(driver) as signals:
        try:
            for step in driver:
                report.step(step)
                if output.path is not None and is_save_step(step.done, every):
                    output.write(output.snapshot(step.done), step.image, session.recipe)
        except KeyboardInterrupt:
            return signals[0] if signals else STOPS[0]
    # A stop during the last iteration interrupts nothing.
    return signals[0] if signals and driver.newest.done < driver.newest.planned else 0


def _write_notes(notes: Iterable[str], output: Output) -> None:
    for note in () if output.quiet or output.as_json else notes:
        sys.stderr.write(f"note: {note}\n")


def _write_how_to_continue(
    result: Result, path: Path, planned: int, recording: Recording | None, output: Output
) -> None:
    here, left = shlex.quote(str(path)), max(1, planned - result.steps)
    again = f"stylize --recipe {here} --init {here} --steps {left}"
    if recording is not None:
        again = f"resume {shlex.quote(str(recording.folder.path))}"
    elif output.is_piped or not output.embeds_recipe:
        again = ""
    sys.stderr.write(
        f"impasto: interrupted after {result.steps} iterations; {path} is the picture so far"
        + (f"; to continue: impasto {again}\n" if again else "\n")
    )


def _write_summary(result: Result, target: Path, output: Output) -> None:
    from impasto.apps.cli.progress import losses_in_words

    width, height = result.size
    if output.as_json:
        summary = {
            "output": str(target),
            "size": [width, height],
            "steps": result.steps,
            "stopped": result.stopped,
            "seconds": {phase: round(value, 3) for phase, value in result.seconds.items()},
            "loss": result.loss,
            "losses": dict(result.losses),
            "last_loss": result.last_loss,
            "peak_memory": result.peak_memory,
            "device": result.device,
            "precision": result.precision,
            "notes": list(result.notes),
            "recipe": result.recipe.model_dump(mode="json", exclude_none=True),
        }
        sys.stdout.write(json.dumps(summary) + "\n")
        return
    stream, name = (sys.stderr, "standard output") if output.is_piped else (sys.stdout, target)
    stream.write(
        f"{name}: {width}x{height}, {result.steps} iterations, {result.seconds['total']:.0f} s, "
        f"{losses_in_words(result)}, {result.peak_memory / 1e9:.1f} GB, "
        f"{result.device} {result.precision}\n"
    )
