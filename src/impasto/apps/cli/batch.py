"""Many contents in one style: the pictures of a folder or a pattern, painted into a folder."""

from __future__ import annotations

import glob
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from impasto.apps.cli.interrupts import exit_code
from impasto.apps.cli.options import Options, pictures
from impasto.apps.cli.output import Output, default_stem, from_stdin, parse_save_every
from impasto.apps.cli.painting import Given, paint_recipe
from impasto.errors import ParameterError, described


def find_contents(content: Path) -> list[Path] | None:
    """The files in a folder, or those that a pattern matches; None for a single file."""
    if os.path.isdir(content):  # noqa: PTH112  # Path.is_dir raises for long names
        found = list(content.iterdir())
    elif glob.has_magic(str(content)) and not os.path.lexists(content):
        found = [Path(name) for name in glob.glob(str(content))]  # noqa: PTH207  # the pattern may be absolute
    else:
        return None
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def paint_batch(
    source: Path,
    contents: Sequence[Path],
    styles: list[Path],
    *,
    options: Options,
    output: Output,
    strict: bool,
) -> int:
    """Paint each of the contents into the folder of ``output``. Returns the exit code, 1 where any has failed.

    A picture that is there already is skipped, unless ``--force`` is given.
    """
    recipe = options.build_recipe().model_copy(update={"content": None})
    _, styles = pictures(recipe, contents[0] if contents else Path(), styles)
    folder = _folder(source, contents, output)

    from impasto.transfer.resources import SessionCache

    known = _suffixes()
    chosen = [path for path in contents if path.suffix.lower() in known]
    for path in contents:
        if path not in chosen:
            sys.stderr.write(f"note: {path}: skipped, expected a picture\n")
    if not chosen:
        raise ParameterError(f"{source}: expected pictures, got none")
    shared, done, failed = SessionCache(), 0, 0
    with from_stdin(styles, None) as styles:
        for style in styles:  # one that cannot be read is not the fault of any content
            shared.read(style, max_pixels=options.max_pixels)
        for path, stem in zip(chosen, _stems(chosen, styles[0]), strict=True):
            target = folder / f"{stem}.png"
            is_there = target.is_file()
            if is_there and target.stat().st_size and not output.force:
                sys.stderr.write(f"note: {target}: skipped, it exists\n")
                done += 1
                continue
            given = Given(recipe, path, styles, stem, strict, resources=shared, keep_stopped=False)
            # An empty file is what a killed process had reserved.
            one = replace(output, path=target, force=output.force or is_there)
            try:
                paint_recipe(given, options=options, output=one)
                done += 1
            except KeyboardInterrupt as stopped:
                sys.stderr.write(
                    f"impasto: interrupted, {done} of {len(chosen)} pictures are done; "
                    "the same command goes on\n"
                )
                return exit_code(stopped)
            except Exception as error:
                failed += 1
                sys.stderr.write(f"failed: {path}: {described(error)}\n")
    if failed:
        sys.stderr.write(f"impasto: {failed} of {len(chosen)} pictures failed\n")
    return int(failed > 0)


def _suffixes() -> set[str]:
    """The suffixes of pictures that can be read."""
    import PIL.Image

    from impasto.images.opening import FORMATS

    PIL.Image.init()
    known = {suffix for suffix, kind in PIL.Image.registered_extensions().items() if kind in FORMATS}
    return known | {".heic", ".heif", ".hif"}


def _folder(source: Path, contents: Sequence[Path], output: Output) -> Path:
    """The folder to write to.

    Raises:
        ParameterError: an option is for a single picture, or the results would be among the contents.
    """
    if output.run is not None:
        raise ParameterError(
            f"--run: expected none with the pictures of {source}; impasto sweep records many runs"
        )
    if parse_save_every(output.save_every) or output.view:
        raise ParameterError(f"--save-every, --open: expected none with the pictures of {source}, got one")
    if output.path is None or output.to_stdout or output.path.suffix or output.path.is_file():
        raise ParameterError(
            f"-o: expected a folder for the pictures of {source}, got {output.path or 'none'}"
        )
    folder = output.path.resolve()
    if any(path.resolve().parent == folder for path in contents):
        raise ParameterError(f"-o: expected another folder than that of the pictures, got {output.path}")
    return output.path


def _stems(contents: Sequence[Path], style: Path) -> list[str]:
    """The name of each result; contents of one stem and several suffixes keep the suffix."""
    counts = Counter(default_stem(path) for path in contents)
    return [
        default_stem(path if counts[default_stem(path)] == 1 else Path(f"{path.name}.png"), style)
        for path in contents
    ]
