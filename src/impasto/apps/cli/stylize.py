"""`impasto stylize` and `impasto recipe`, which prints the recipe that `stylize` writes into a picture."""

from __future__ import annotations

import sys
from pathlib import Path

from impasto.apps.cli.options import DEFAULT_OPTIONS, Options
from impasto.apps.cli.output import DEFAULT_OUTPUT, Output
from impasto.apps.cli.painting import paint_given
from impasto.apps.cli.parameters import Content, Styles


def stylize(
    content: Content = None,
    styles: Styles = None,
    *,
    options: Options = DEFAULT_OPTIONS,
    output: Output = DEFAULT_OUTPUT,
) -> int:
    """Paint CONTENT in the style of one or more STYLES.

    The preset (`impasto presets`) provides the defaults of all options.

        impasto stylize photo.jpg painting.jpg
        impasto stylize photo.jpg painting.jpg -o out.png --size 1024 --style-weight 3
        impasto stylize photo.jpg wave.jpg night.jpg --style-weights 0.7,0.3
        impasto stylize --recipe out.png --seed 1
    """
    return paint_given(content, styles or [], options=options, output=output)


def recipe(picture: Path, /) -> int:
    """Print the recipe stored in a picture that impasto painted.

    An edited recipe can be painted with --recipe.

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
