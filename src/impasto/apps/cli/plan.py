"""`impasto plan`: what a picture will take, before anything is computed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.apps.cli.formatting import duration
from impasto.apps.cli.options import UNCHANGED, Options, pictures
from impasto.errors import ParameterError


def plan(
    content: Annotated[Path | None, Parameter(show_default=False)] = None,
    styles: Annotated[list[Path] | None, Parameter(show_default=False, negative=())] = None,
    *,
    options: Options = UNCHANGED,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Say how much memory and time `impasto stylize` with the same options will take; nothing is painted.

    What does not fit is refused, here as there: exit code 2, with the size that would fit.

        impasto plan photo.jpg painting.jpg --size 8192
        impasto plan photo.jpg painting.jpg --size 4096 --memory 4GB

    Parameters
    ----------
    content
        The picture whose content is kept.
    styles
        The pictures whose style is taken.
    as_json
        Print one JSON object.
    """
    settings, memory = options.build_recipe(), options.memory_bytes
    content, styles = pictures(settings, content, styles or [])

    from impasto.transfer.pictures import Sources
    from impasto.transfer.planner import format_bytes
    from impasto.transfer.session import Limits, Session

    session = Session(
        settings,
        Sources(content, styles),
        limits=Limits(options.max_pixels, memory),
        asked=options.asked(),
    )
    found = session.plan
    if found is None:
        raise ParameterError(f"encoder: expected a VGG to plan for, got {settings.encoder!r}")
    if as_json:
        summary = {
            "levels": [
                {"size": [level.size[1], level.size[0]], "iterations": level.iterations}
                for level in found.levels
            ],
            "memory": found.memory,
            "limit": found.limit,
            "seconds": round(found.seconds, 1),
            "tile": found.recipe.tile,
            "history_memory": found.recipe.history_memory,
            "device": str(session.device),
            "precision": session.precision,
            "notes": list(session.notes),
        }
        sys.stdout.write(json.dumps(summary) + "\n")
        return 0
    for note in session.notes:
        sys.stderr.write(f"note: {note}\n")
    for level in found.levels:
        sys.stdout.write(f"{level.size[1]}x{level.size[0]}: {level.iterations} iterations\n")
    sys.stdout.write(
        f"{format_bytes(found.memory)} of memory of {format_bytes(found.limit)}, about {duration(found.seconds)}, "
        f"on {session.device} in {session.precision}, tiles of {found.recipe.tile or 'any size'}\n"
    )
    return 0
