"""`impasto stylize` and `impasto recipe`, which prints the recipe that `stylize` writes into a picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.apps.cli.batch import find_contents, paint_batch
from impasto.apps.cli.options import DEFAULT_OPTIONS, Options
from impasto.apps.cli.output import DEFAULT_OUTPUT, Output, claimed
from impasto.apps.cli.painting import paint_given
from impasto.apps.cli.parameters import Content, Flag, Force, OutputFile, Strict, Styles
from impasto.errors import ParameterError


def stylize(
    content: Content = None,
    styles: Styles = None,
    *,
    more_styles: Annotated[
        list[Path] | None, Parameter(name="--style", negative=(), show_default=False)
    ] = None,
    blend: Flag = False,
    options: Options = DEFAULT_OPTIONS,
    output: Output = DEFAULT_OUTPUT,
    strict: Strict = False,
) -> int:
    """Paint CONTENT in the style of one or more STYLES.

    The preset (`impasto presets`) provides the defaults of all options. A folder as CONTENT, or a quoted pattern such
    as 'photos/*.jpg', paints every picture into the folder of -o; repeating the command skips those that are there. -
    reads a picture from standard input.

        impasto stylize photo.jpg painting.jpg
        impasto stylize photo.jpg painting.jpg -o out.png --size 1024 --style-weight 3
        impasto stylize photo.jpg wave.jpg night.jpg --style-weights 0.7,0.3
        impasto stylize photos painting.jpg -o painted
        impasto stylize --recipe out.png --seed 1

    Parameters
    ----------
    more_styles
        A style picture; may be given several times. The result has a blend of all styles.
    blend
        Blend several STYLES.
    """
    styles = [*(styles or []), *(more_styles or [])]
    _check_meant(content, styles, blend=blend or bool(more_styles), options=options)
    if content is not None and (contents := find_contents(content)) is not None:
        return paint_batch(content, contents, styles, options=options, output=output, strict=strict)
    return paint_given(content, styles, options=options, output=output, strict=strict)


_OF_EACH_STYLE = ("style_weights", "style_scales", "style_rotate", "style_flip", "mask")
"""Options that say what is meant with several styles."""


def _check_meant(content: Path | None, styles: list[Path], *, blend: bool, options: Options) -> None:
    """Refuse several styles, which a shell makes of *.jpg, unless an option says that they are meant.

    Raises:
        ParameterError: it may be a mistake.
    """
    if len(styles) < 2 or blend or any(getattr(options, name) for name in _OF_EACH_STYLE):
        return
    raise ParameterError(
        f"STYLES: expected one, got {len(styles)}; give --blend to paint {content} in a blend of all; "
        "to paint many pictures in one style, give their folder as CONTENT"
    )


def recipe(picture: Path, /, *, output: OutputFile = None, force: Force = False) -> int:
    """Print the recipe stored in a picture, or write it into a file.

    An edited recipe can be painted with --recipe.

        impasto recipe out.png -o mine.toml
        impasto stylize other.jpg painting.jpg --recipe mine.toml

    Parameters
    ----------
    picture
        The picture.
    output
        The recipe's file, .toml.
    """
    from impasto import images
    from impasto.files import replacing, unwritable

    text = images.read_metadata(picture)
    if output is None:
        if sys.stdout.isatty():
            sys.stdout.write(text)
        else:  # always UTF-8, whatever the locale
            sys.stdout.buffer.write(text.encode())
        return 0
    if output.suffix.lower() != ".toml":
        raise ParameterError(f"{output}: expected a name that ends in .toml")
    with claimed(output, stem="", suffix="", inputs=[picture], force=force) as path:
        try:
            with replacing(path) as file:
                file.write(text.encode())
        except OSError as error:
            raise unwritable(path, error) from None
    sys.stdout.write(f"{path}\n")
    return 0
