"""The output of commands: options of a picture's file or run folder, free file names, standard output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from impasto.apps.cli.parameters import GROUPS
from impasto.errors import OutputError, ParameterError

if TYPE_CHECKING:
    import PIL.Image

    from impasto.runs.recording import SaveEvery


_OUTPUT = Parameter(group=Group("Output", sort_key=6), negative=())


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Output:
    """Output options of a new picture.

    Parameters
    ----------
    path
        The result's file: .png, .jpg, .webp or .tiff. The default is a new PNG file in this folder, named after the
        input pictures.
    run
        Record the run in this folder: recipe, losses, checkpoints, pictures, result. `impasto resume` resumes it
        after an interruption.
    save_every
        Also save the picture so far every N iterations, or at logarithmic intervals with log: as OUT-000N.png, or in
        the run's folder.
    tensorboard
        Also write losses, memory and pictures for TensorBoard into the run's folder. Needs --run and
        impasto[tensorboard]. To view them: tensorboard --logdir RUN.
    bits
        Bits per channel; 16 needs PNG or TIFF.
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
    bits: Annotated[Literal[8, 16], _OUTPUT] = 8
    as_json: Annotated[bool, Parameter(name="--json"), _OUTPUT] = False
    quiet: Annotated[bool, Parameter(alias="-q"), _OUTPUT] = False

    def with_default_name(self, stem: str) -> Output:
        """A copy with a free file name of that stem, unless a file or a run's folder is given."""
        if self.path is not None or self.run is not None:
            return self
        return replace(self, path=free_name(stem, ".png"))


DEFAULT_OUTPUT = Output()


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


def free_name(stem: str, suffix: str) -> Path:
    """A file name in this folder that does not exist yet."""
    path, number = Path(stem + suffix), 2
    while os.path.exists(path):  # noqa: PTH110  # Path.exists raises for a name that is too long
        path, number = Path(f"{stem}-{number}{suffix}"), number + 1
    return path


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
    from impasto.images import check_output

    check_output(output)


def write_picture(output: Path, picture: PIL.Image.Image) -> None:
    from impasto import images

    images.write(output, images.read(picture).pixels)
