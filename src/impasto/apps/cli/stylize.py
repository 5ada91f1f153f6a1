"""`impasto stylize`, and `impasto recipe`, which prints what `stylize` wrote into a picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.apps.cli.options import UNCHANGED, Options
from impasto.apps.cli.output import TO_A_FREE_NAME, Output
from impasto.apps.cli.painting import paint_given


def stylize(
    content: Annotated[Path | None, Parameter(show_default=False)] = None,
    styles: Annotated[list[Path] | None, Parameter(show_default=False, negative=())] = None,
    *,
    options: Options = UNCHANGED,
    output: Output = TO_A_FREE_NAME,
) -> int:
    """Paint CONTENT in the style of one or more STYLES.

    Options that are not given come from the preset (`impasto presets`).

        impasto stylize photo.jpg painting.jpg
        impasto stylize photo.jpg painting.jpg -o out.png --size 1024 --style-weight 3
        impasto stylize photo.jpg wave.jpg night.jpg --style-weights 0.7,0.3
        impasto stylize --recipe out.png --seed 1

    Parameters
    ----------
    content
        The picture whose content is kept.
    styles
        The pictures whose style is taken.
    """
    return paint_given(content, styles or [], options=options, output=output)


def recipe(picture: Path, /) -> int:
    """Print the recipe inside a picture that impasto painted.

    It can be edited, and painted with --recipe.

        impasto recipe out.png > mine.toml
        impasto stylize other.jpg painting.jpg --recipe mine.toml

    Parameters
    ----------
    picture
        The picture.
    """
    from impasto import images

    sys.stdout.write(images.read_metadata(picture))
    return 0
