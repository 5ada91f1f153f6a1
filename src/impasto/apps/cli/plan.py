"""`impasto plan`: memory and time of a picture, estimated before anything is computed."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from impasto.apps.cli.options import DEFAULT_OPTIONS, Options, pictures
from impasto.apps.cli.parameters import Content, JsonObject, Styles
from impasto.errors import ParameterError
from impasto.text import duration

if TYPE_CHECKING:
    from impasto.transfer.planner import Plan
    from impasto.transfer.session import Session


def plan(
    content: Content = None,
    styles: Styles = None,
    *,
    options: Options = DEFAULT_OPTIONS,
    as_json: JsonObject = False,
) -> int:
    """Print the memory and time that a picture needs, without painting.

    The options are those of `impasto stylize`. As with `impasto stylize`, a picture that does not fit is an error
    (exit code 2); the message names a size that fits.

        impasto plan photo.jpg painting.jpg --size 8192
        impasto plan photo.jpg painting.jpg --size 4096 --memory 4GB
    """
    settings, memory = options.build_recipe(), options.memory_bytes
    content, styles = pictures(settings, content, styles or [])

    from impasto.apps.cli.progress import size_note
    from impasto.transfer.pictures import Sources
    from impasto.transfer.session import Limits, Session

    session = Session(
        settings,
        Sources(content, styles),
        limits=Limits(options.max_pixels, memory),
        asked=options.asked(),
        on_note=None if as_json else _write_note,
    )
    if session.plan is None:
        raise ParameterError(f"encoder: expected a VGG to plan for, got {settings.encoder!r}")
    if as_json:
        sys.stdout.write(json.dumps(_summary(session, session.plan)) + "\n")
    else:
        _write_plan(session, session.plan, size_note(session) if options.has_default_size else None)
    return 0


def _summary(session: Session, found: Plan) -> dict[str, object]:
    return {
        "levels": [
            {"size": [level.size[1], level.size[0]], "iterations": level.iterations} for level in found.levels
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


def _write_note(note: str) -> None:
    sys.stderr.write(f"note: {note}\n")


def _write_plan(session: Session, found: Plan, note: str | None) -> None:
    from impasto.transfer.planner import format_bytes

    if note is not None:
        _write_note(note)
    for level in found.levels:
        sys.stdout.write(f"{level.size[1]}x{level.size[0]}: {level.iterations} iterations\n")
    sys.stdout.write(
        f"{format_bytes(found.memory)} of memory of {format_bytes(found.limit)}, about {duration(found.seconds)}, "
        f"on {session.device} in {session.precision}, tiles of {found.recipe.tile or 'any size'}\n"
    )
