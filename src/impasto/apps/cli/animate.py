"""`impasto animate`: a run as a film."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.apps.cli.interrupts import interruptible
from impasto.apps.cli.options import whole

_FLAG = Parameter(negative=())


def animate(
    run: Path,
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    fps: float = 25.0,
    seconds: float = 8.0,
    hold: float = 1.0,
    size: Annotated[int, Parameter(converter=whole)] = 0,
    before: Annotated[bool, _FLAG] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
    quiet: Annotated[bool, Parameter(alias="-q", negative=())] = False,
) -> int:
    """Make a film of how a picture was painted, from the pictures that its run kept (`--save-every log`).

    Each picture fades into the next, and the result stands still at the end. MP4 and WebM need the extra `video`.

        impasto stylize photo.jpg painting.jpg --run first --save-every log
        impasto animate first -o first.mp4
        impasto animate first -o first.gif --size 320 --fps 12 --seconds 5 --before
        impasto rerun old --save-every log --run again    # for a run that kept none

    Parameters
    ----------
    run
        The folder that `impasto stylize --run` made.
    output
        Where the film goes: .mp4, .webm, .gif or .webp.
    fps
        Frames a second. GIF takes the nearest rate that is a whole number of hundredths of a second.
    seconds
        How long the film is.
    hold
        Seconds of them that the result stands still at the end, and with --before the content at the beginning.
    size
        The film's long side in pixels; 0 takes the result's.
    before
        Begin with the content picture.
    as_json
        Print one JSON object at the end, and nothing else.
    quiet
        No progress.
    """
    from impasto.apps.cli.progress import counter
    from impasto.reports import film

    try:
        with interruptible(), counter("frames", quiet=quiet or as_json) as count:
            made = film.animate(
                run,
                output,
                rate=fps,
                seconds=seconds,
                hold=hold,
                size=size,
                before=before,
                progress=count,
            )
    except KeyboardInterrupt:
        sys.stderr.write("impasto: interrupted; no film was written\n")
        return 1
    if as_json:
        about = {
            "output": str(made.path),
            "size": list(made.size),
            "frames": made.frames,
            "fps": made.rate,
            "seconds": made.seconds,
            "pictures": made.pictures,
            "encoder": made.encoder,
            "bytes": made.bytes,
        }
        sys.stdout.write(json.dumps(about) + "\n")
        return 0
    width, height = made.size
    sys.stdout.write(
        f"{made.path}: {width}x{height}, {made.frames} frames from {made.pictures} pictures, {made.seconds:.1f} s "
        f"at {made.rate:g} a second, {_bytes(made.bytes)}, {made.encoder}\n"
    )
    return 0


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
