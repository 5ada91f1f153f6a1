"""The output of commands: options of a picture's file or run folder, reserved names, standard output."""

from __future__ import annotations

import glob
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from impasto.apps.cli.interrupts import interruptible
from impasto.apps.cli.parameters import GROUPS, whole_number
from impasto.errors import OutputError, ParameterError
from impasto.files import check_replaceable, reserved, reserved_free, shortened, unwritable
from impasto.runs.layout import RECIPE

if TYPE_CHECKING:
    import PIL.Image
    from torch import Tensor

    from impasto.recipes.recipe import Recipe
    from impasto.runs.recording import SaveEvery


STANDARD = Path("-")
"""The name of standard input and standard output."""

_STEM_BYTES = 100  # of each picture in a default name; file systems allow 255 in all

_OUTPUT = Parameter(group=Group("Output", sort_key=6), negative=())
_NUMBER = Parameter(converter=whole_number)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Output:
    """Output options of a new picture.

    Parameters
    ----------
    path
        The result's file: .png, .jpg, .webp, .tiff, .gif or .bmp; a folder; or - for PNG on standard output. The
        default is a new PNG file in this folder, named after the input pictures.
    run
        Record the run in this folder: recipe, losses, checkpoints, pictures, result. `impasto resume` resumes it
        after an interruption.
    save_every
        Also save the picture so far every N iterations, or at logarithmic intervals with log: as OUT-000N.png, or in
        the run's folder.
    tensorboard
        Also write losses, memory and pictures for TensorBoard into the run's folder. Needs --run and
        impasto[tensorboard]. To view them: tensorboard --logdir RUN.
    force
        Replace existing files. Without it they are refused.
    bits
        Bits per channel; 16 needs PNG or TIFF.
    file_quality
        Quality of a JPEG or WebP file, 1 to 100. The default is 95.
    compression
        Compression of a PNG or TIFF file, 0 to 9: larger numbers make smaller files more slowly. The default is 6.
    no_recipe
        Embed no recipe in the file.
    view
        Show the result in the system's viewer.
    as_json
        Print one JSON object and nothing else.
    quiet
        Show no progress.
    """

    path: Annotated[Path | None, Parameter(name=["--output", "-o"], group=GROUPS["Common"], negative=())] = (
        None
    )
    run: Annotated[Path | None, _OUTPUT] = None
    save_every: Annotated[str, _OUTPUT] = "0"
    tensorboard: Annotated[bool, _OUTPUT] = False
    force: Annotated[bool, _OUTPUT] = False
    bits: Annotated[Literal[8, 16], _OUTPUT] = 8
    file_quality: Annotated[int | None, _NUMBER, _OUTPUT] = None
    compression: Annotated[int | None, _NUMBER, _OUTPUT] = None
    no_recipe: Annotated[bool, _OUTPUT] = False
    view: Annotated[bool, Parameter(name="--open"), _OUTPUT] = False
    as_json: Annotated[bool, Parameter(name="--json"), _OUTPUT] = False
    quiet: Annotated[bool, Parameter(alias="-q"), _OUTPUT] = False

    is_piped: Annotated[bool, Parameter(parse=False)] = False

    @property
    def to_stdout(self) -> bool:
        """Whether the picture is written to standard output."""
        return self.path == STANDARD

    @property
    def embeds_recipe(self) -> bool:
        """Whether the file has the recipe inside."""
        return not self.no_recipe and (self.path is None or self.path.suffix.lower() != ".bmp")

    @property
    def encoding(self) -> dict[str, Any]:
        """How the file is written: arguments of :func:`impasto.images.write`."""
        return {"bits": self.bits, "quality": self.file_quality, "compression": self.compression}

    def check(self) -> None:
        """Check that the options fit together.

        Raises:
            ParameterError: they do not.
        """
        if self.tensorboard and self.run is None:
            raise ParameterError(
                "--tensorboard: expected together with --run, whose folder it writes into, got no --run"
            )
        if self.path is None and self.run is not None:
            for name in ("file_quality", "compression", "no_recipe"):
                if getattr(self, name) not in (None, False):
                    option = "--" + name.replace("_", "-")
                    raise ParameterError(
                        f"{option}: expected together with -o, whose file it is for, got none"
                    )
        if self.to_stdout:
            if self.as_json or self.view or (self.run is None and parse_save_every(self.save_every)):
                raise ParameterError("-o -: expected no --json, --open and --save-every beside it, got one")
            if sys.stdout.isatty():
                raise ParameterError("-o -: expected a pipe or a file as standard output, got a terminal")

    @contextmanager
    def claimed(self, stem: str, inputs: Iterable[Path]) -> Iterator[Output]:
        """Reserve the name of the picture's file, and write the picture to standard output where that is asked.

        Args:
            stem: of the default name.
            inputs: files that no output may replace.

        Yields:
            A copy whose ``path`` is the reserved file; None where only a run's folder is written.
        """
        inputs = list(inputs)
        with ExitStack() as held:
            if self.path is None and self.run is not None:
                yield self
                return
            if self.to_stdout:
                path = Path(held.enter_context(tempfile.TemporaryDirectory())) / "stdout.png"
                self._check_format(path)
                yield replace(self, path=path, is_piped=True)
                sys.stdout.buffer.write(path.read_bytes())
                return
            if self.path is None or os.path.isdir(self.path):  # noqa: PTH112  # Path.is_dir raises for long names
                self._check_format(Path("a.png"))
                path = held.enter_context(reserved_free(self.path or Path(), stem, ".png"))
            else:
                self._check_format(self.path)
                path = held.enter_context(reserved(self.path, inputs=inputs, force=self.force))
            claimed = replace(self, path=path)
            claimed.check_snapshots(inputs)
            yield claimed

    def _check_format(self, path: Path) -> None:
        from impasto.images import check_format

        check_format(path, **self.encoding)

    def snapshot(self, done: int) -> Path:
        """The file of the picture after ``done`` iterations."""
        assert self.path is not None
        return self.path.with_name(f"{self.path.stem}-{done:04d}{self.path.suffix}")

    def check_snapshots(self, inputs: Iterable[Path]) -> None:
        """Check the names of the pictures so far.

        Raises:
            ParameterError, OutputError: as for :func:`impasto.files.check_replaceable`.
        """
        from impasto.runs.recording import is_save_step

        every = parse_save_every(self.save_every)
        if not every or self.path is None:
            return
        longest = self.snapshot(999_999)
        try:
            longest.lstat()
        except FileNotFoundError:
            pass
        except OSError as error:
            raise unwritable(longest, error) from None
        before, after = f"{self.path.stem}-", self.path.suffix
        for each in self.path.parent.glob(f"{glob.escape(before)}*{glob.escape(after)}"):
            digits = each.name.removeprefix(before).removesuffix(after)
            if digits.isdecimal() and is_save_step(int(digits), every) and each == self.snapshot(int(digits)):
                check_replaceable(each, inputs=inputs, force=self.force)

    def write(self, path: Path, image: Tensor, recipe: Recipe) -> None:
        """Write a picture with its recipe, as the options say."""
        from impasto import images

        images.write(path, image, metadata=None if self.no_recipe else recipe.to_metadata(), **self.encoding)


DEFAULT_OUTPUT = Output()


def default_stem(*pictures: Path) -> str:
    """The default name of a picture, without a suffix; long names are shortened."""
    return "-".join(shortened(path.stem, _STEM_BYTES) for path in pictures)


@contextmanager
def claimed(
    path: Path | None, *, stem: str, suffix: str, inputs: Iterable[Path] = (), force: bool = False
) -> Iterator[Path]:
    """Reserve the name of a command's file: the given one, or a free one of a stem in this folder.

    A signal that stops the command removes the reservation.
    """
    if path is None:
        place = reserved_free(Path(), shortened(stem, 2 * _STEM_BYTES), suffix)
    else:
        place = reserved(path, inputs=inputs, force=force)
    with interruptible(), place as file:
        yield file


@contextmanager
def from_stdin(paths: Iterable[Path], run: Path | None) -> Iterator[list[Path]]:
    """The paths, with that of a file for ``-``, which has the picture on standard input.

    Args:
        run: the run's folder, which keeps the file, so that the run can be resumed; None for a temporary file.
    """
    paths = list(paths)
    if STANDARD not in paths:
        yield paths
        return
    if paths.count(STANDARD) > 1:
        raise ParameterError("-: expected one picture on standard input, got several")
    if sys.stdin is None or sys.stdin.isatty():
        raise ParameterError("-: expected a picture on standard input, got a terminal")
    data = sys.stdin.buffer.read()
    if not data:
        raise ParameterError("-: expected a picture on standard input, got nothing")
    with ExitStack() as held:
        if run is None:
            file = Path(held.enter_context(tempfile.TemporaryDirectory())) / "stdin"
        else:
            file = held.enter_context(reserved(run / "stdin"))
        file.write_bytes(data)
        try:
            yield [file if path == STANDARD else path for path in paths]
        finally:
            if run is not None and not (run / RECIPE).exists():  # the run has not begun
                file.unlink()


def show_in_viewer(path: Path) -> None:
    """Open a file with the system's program for it; a note says where there is none."""
    try:
        if sys.platform == "win32":
            os.startfile(path)
        else:
            program = "open" if sys.platform == "darwin" else "xdg-open"
            silent = subprocess.DEVNULL
            subprocess.Popen(
                [program, path], stdin=silent, stdout=silent, stderr=silent, start_new_session=True
            )
    except OSError as error:
        sys.stderr.write(f"note: --open: no viewer for {path}: {error.strerror or error}\n")


def parse_save_every(text: str) -> SaveEvery:
    """Parse the value of `--save-every`."""
    if text == "log":
        return "log"
    try:
        if (every := int(text)) >= 0:
            return every
    except ValueError:
        pass
    raise ParameterError(f"--save-every: expected a whole number, 0 or more, or log, got {text!r}")


def write_line(line: str = "") -> None:
    sys.stdout.write(line + "\n")


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Create the folder if missing, and convert an OSError in the block to an OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise OutputError(f"{folder}: cannot write: {error.strerror or error}") from None


def write_json_list(objects: Iterable[Any]) -> None:
    sys.stdout.write(json.dumps(list(objects)) + "\n")


def check_picture(output: Path) -> None:
    """Check the suffix of a picture's file."""
    from impasto.images import check_format

    check_format(output)


def write_picture(output: Path, picture: PIL.Image.Image) -> None:
    from impasto import images

    images.write(output, images.read(picture).pixels)
