"""Files that appear whole or not at all: names reserved before work begins, temporary files renamed at its end.

Also the location of the cache.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import platformdirs

from impasto.errors import OutputError, ParameterError
from impasto.text import one_line

PARTIAL = ".impasto-*.part"
"""Glob pattern of temporary files; a killed process may leave one behind."""


@contextmanager
def replacing(target: Path, *, keep: Path | None = None) -> Iterator[IO[bytes]]:
    """A file to write, which atomically replaces ``target`` at the end of the block, also in a power cut.

    After an exception, in the block or here, ``target`` is unchanged and no temporary file is left.

    Args:
        keep: new name of the previous file, otherwise deleted. Between the two renames only ``keep`` exists.

    Raises:
        OSError: the file system reports an error.
    """
    # A short name that does not derive from the target's, which may already have the maximum length.
    partial = target.with_name(f".impasto-{secrets.token_hex(8)}.part")
    try:
        # os.open instead of tempfile: the permissions are those of any new file (umask), not 0600.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(partial, flags, 0o666), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if keep is not None and target.exists():
            _move(target, keep)
        _move(partial, target)
        sync_folder(target.parent)
    except BaseException:  # KeyboardInterrupt must not leave a temporary file either
        with suppress(OSError):
            partial.unlink()
        raise


def check_replaceable(path: Path, *, inputs: Iterable[Path] = (), force: bool = False) -> None:
    """Refuse an output that would destroy something.

    Args:
        path: of the output.
        inputs: files that the output may never replace.
        force: whether another existing file may be replaced.

    Raises:
        ParameterError: the output is an input, or exists without ``force``, or is write-protected.
        OutputError: the name is too long, or a folder or a device has it.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise unwritable(path, error) from None
    name = one_line(path)
    if not stat.S_ISREG(status.st_mode):
        raise OutputError(f"{name}: expected a file to write, there is something else")
    if any(_is_same(path, each) for each in inputs):
        raise ParameterError(f"{name}: expected an output that is no input, got an input; give another name")
    if not force:
        empty = "" if status.st_size else " (empty: a process writes it now, or was killed)"
        raise ParameterError(
            f"{name}: expected a new file, got one that exists{empty}; give --force to replace it, or another name"
        )
    if not status.st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
        raise ParameterError(f"{name}: expected a file to replace, got a read-only one; give another name")


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except (OSError, ValueError):  # there is no such input; its reader says so
        return False


@contextmanager
def reserved(path: Path, *, inputs: Iterable[Path] = (), force: bool = False) -> Iterator[Path]:
    """Reserve the name of an output that the block writes. Missing folders are made.

    The name exists from here on, as an empty file, so that no other process takes it. A block that writes nothing
    leaves neither the file nor its folders.

    Args:
        path, inputs, force: as for :func:`check_replaceable`.

    Raises:
        ParameterError, OutputError: as for :func:`check_replaceable`, or the folder cannot be written.
    """
    check_replaceable(path, inputs=inputs, force=force)
    with _made(path.parent):
        try:
            created = _create(path)
        except OSError as error:
            raise unwritable(path, error) from None
        if not created:
            check_replaceable(path, inputs=inputs, force=force)  # another process has come first
        with _removed_if_empty(path, created):
            yield path


@contextmanager
def reserved_free(folder: Path, stem: str, suffix: str) -> Iterator[Path]:
    """Reserve the first free name out of STEM.png, STEM-2.png, … in a folder, as :func:`reserved` does.

    Raises:
        OutputError: the folder cannot be written.
    """
    with _made(folder):
        number = 1
        try:
            while not _create(path := folder / (f"{stem}-{number}{suffix}" if number > 1 else stem + suffix)):
                number += 1
        except OSError as error:
            raise unwritable(folder / (stem + suffix), error) from None
        with _removed_if_empty(path, True):
            yield path


def _create(path: Path) -> bool:
    """Create an empty file; False where something has the name."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except FileExistsError:
        return False
    return True


@contextmanager
def _removed_if_empty(path: Path, created: bool) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(OSError):
            if created and path.stat().st_size == 0:
                path.unlink()


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Create a folder with its parents; those that are empty at the end of the block are removed."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise unwritable(folder, error) from None
    try:
        yield
    finally:
        with suppress(OSError):  # not empty
            for each in missing:
                each.rmdir()


def unwritable(path: Path, error: Exception) -> OutputError:
    """The error for a file or folder that cannot be written."""
    reason = one_line(error.strerror or error) if isinstance(error, OSError) else one_line(error)
    return OutputError(f"{one_line(path)}: cannot write: {reason}")


def shortened(stem: str, most: int) -> str:
    """The beginning of a file's name that takes at most ``most`` bytes."""
    while len(os.fsencode(stem)) > most:
        stem = stem[:-1]
    return stem


def _move(file: Path, target: Path) -> None:
    """Rename ``file`` to ``target``. Windows refuses while a process reads either file; retry for up to a second."""
    for _ in range(20 if sys.platform == "win32" else 0):
        try:
            file.replace(target)
        except PermissionError:
            time.sleep(0.05)
        else:
            return
    file.replace(target)


def sync_folder(folder: Path) -> None:
    """Fsync the entries of a folder, where the system supports it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except OSError:  # Windows cannot open folders
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # network file systems without fsync
            raise
    finally:
        os.close(descriptor)


def cache_folder() -> Path:
    """The folder of downloads and measurements: ``$IMPASTO_CACHE``, else the system's cache folder of the user.

    Raises:
        ParameterError: ``$IMPASTO_CACHE`` starts with ``~`` and the name of an unknown user.
    """
    chosen = os.environ.get("IMPASTO_CACHE")
    if not chosen:
        return Path(platformdirs.user_cache_dir("impasto", appauthor=False))
    try:
        return Path(chosen).expanduser()
    except RuntimeError as error:
        raise ParameterError(f"IMPASTO_CACHE: expected the home of a known user, got {chosen}") from error
