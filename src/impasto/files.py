"""Atomic writing of files: write a temporary file, fsync it, rename it. Also the location of the cache."""

from __future__ import annotations

import errno
import os
import re
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import platformdirs

from impasto.errors import ParameterError

PARTIAL = ".impasto-*.part"
"""Glob pattern of temporary files; a killed process may leave one behind."""


def storable(path: str) -> str:
    """``path`` with every byte that is not valid UTF-8 replaced by an escape sequence, for text files."""
    return path.encode("utf-8", "backslashreplace").decode()


def existing(path: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """The inverse of :func:`storable` where only that names a file; otherwise ``path``."""
    text = os.fspath(path)
    if not _ESCAPED.search(text) or os.path.lexists(text):
        return path
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)


_ESCAPED = re.compile(r"\\u(dc[89a-f][0-9a-f])")


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
