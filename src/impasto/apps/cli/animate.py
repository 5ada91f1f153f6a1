"""`impasto animate`: a run as a film."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from impasto.apps.cli.interrupts import exit_code
from impasto.apps.cli.output import claimed
from impasto.apps.cli.parameters import Flag, Force, JsonObject, Quiet, WholeNumber

if TYPE_CHECKING:
    from impasto.reports.film import Film


def animate(
    run: Path,
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    fps: float = 25.0,
    seconds: float = 8.0,
    hold: float = 1.0,
    size: WholeNumber = 0,
    before: Flag = False,
    force: Force = False,
    as_json: JsonObject = False,
    quiet: Quiet = False,
) -> int:
    """Make a film of a run.

    The film shows the pictures that the run saved (`--save-every log`). Each picture fades into the next; the result
    stands still at the end. MP4 and WebM need the extra `video`.

        impasto stylize photo.jpg painting.jpg --run first --save-every log
        impasto animate first -o first.mp4
        impasto animate first -o first.gif --size 320 --fps 12 --seconds 5 --before
        impasto rerun old --save-every log --run again    # for a run without saved pictures

    Parameters
    ----------
    run
        The folder of a run (`impasto stylize --run`).
    output
        The film's file: .mp4, .webm, .gif or .webp.
    fps
        Frames per second. GIF uses the nearest rate whose frames last a whole number of hundredths of a second.
    seconds
        Duration of the film, with both still parts.
    hold
        Duration in seconds of the still result at the end and, with --before, of the still content at the start.
    size
        The film's long side in pixels; 0 keeps the result's.
    before
        Start with the content picture.
    """
    from impasto.runs.readers import read_recipe

    read_recipe(run)  # before importing torch, which takes a second

    from impasto.apps.cli.progress import counter
    from impasto.reports import film

    try:
        with (
            claimed(output, stem="", suffix="", inputs=run.glob("*"), force=force),
            counter("frames", quiet=quiet or as_json) as count,
        ):
            made = film.animate(
                run, output, rate=fps, seconds=seconds, hold=hold, size=size, before=before, progress=count
            )
    except KeyboardInterrupt as stopped:
        sys.stderr.write("impasto: interrupted; no film was written\n")
        return exit_code(stopped)
    _write_summary(made, as_json=as_json)
    return 0


def _write_summary(film: Film, *, as_json: bool) -> None:
    if as_json:
        summary = {
            "output": str(film.path),
            "size": list(film.size),
            "frames": film.frames,
            "fps": film.rate,
            "seconds": film.seconds,
            "pictures": film.pictures,
            "encoder": film.encoder,
            "bytes": film.bytes,
        }
        sys.stdout.write(json.dumps(summary) + "\n")
        return
    width, height = film.size
    sys.stdout.write(
        f"{film.path}: {width}x{height}, {film.frames} frames from {film.pictures} pictures, {film.seconds:.1f} s "
        f"at {film.rate:g} a second, {_bytes(film.bytes)}, {film.encoder}\n"
    )


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
