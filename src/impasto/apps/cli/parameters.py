"""Types of parameters that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

from cyclopts import Group, Parameter, Token

from impasto.recipes.settings import Group as GroupName
from impasto.recipes.settings import Settings

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

_ORDER = ("output", "size", "quality", *Settings.model_fields)
"""The order of options within a group; others come last."""


def _in_order(console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
    """Render a group of options in the order of the settings."""
    from cyclopts.help import DefaultFormatter

    def place(entry: HelpEntry) -> int:
        name = entry.names[0].removeprefix("--").replace("-", "_")
        return _ORDER.index(name) if name in _ORDER else len(_ORDER)

    DefaultFormatter()(console, options, panel.copy(entries=sorted(panel.entries, key=place)))


GROUPS = {
    name: Group(name, sort_key=place, help_formatter=_in_order)
    for place, name in enumerate(get_args(GroupName), start=5)
}
"""Heading -> the group of options under it in help."""


def whole_number(kind: object, tokens: Sequence[Token]) -> int:
    """Convert a token to an integer; cyclopts' own conversion rounds 1.5 to 2."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"expected a whole number, got {tokens[0].value!r}") from None


WholeNumber = Annotated[int, Parameter(converter=whole_number)]
Flag = Annotated[bool, Parameter(negative=())]
OutputFile = Annotated[Path | None, Parameter(alias="-o")]

Json = Annotated[bool, Parameter(name="--json", negative=())]
JsonObject = Annotated[Json, Parameter(help="Print one JSON object and nothing else.")]
Quiet = Annotated[bool, Parameter(alias="-q", negative=(), help="Show no progress.")]

Content = Annotated[Path | None, Parameter(show_default=False, help="The content picture.")]
Styles = Annotated[list[Path] | None, Parameter(show_default=False, negative=(), help="The style pictures.")]
Force = Annotated[bool, Parameter(negative=(), help="Replace existing files. Without it they are refused.")]
Strict = Annotated[
    bool,
    Parameter(
        negative=(), help="Refuse a recipe whose pictures have changed since, instead of a note about each."
    ),
]
