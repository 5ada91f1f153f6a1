"""Types of parameters that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, Token


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
