"""A file whole or not at all: written beside its place, forced to the disk, then moved there.

And where the cache is.
"""

from __future__ import annotations

import errno
import os
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
"""What unfinished files are called, as a pattern; a process that was killed may leave one."""


@contextmanager
def replacing(target: Path, *, keep: Path | None = None) -> Iterator[IO[bytes]]:
    """A file to write, which takes the place of ``target`` when the block ends, even if the power fails then.

    Whatever is raised, in the block or here, leaves what was there before, and nothing else.

    Args:
        keep: a name that what was there before gets, instead of being lost. There is a moment at which only this
            name is there.

    Raises:
        OSError: the file system refuses.
    """
    # A short name of its own, not the target's with something added: that may be too long.
    partial = target.with_name(f".impasto-{secrets.token_hex(8)}.part")
    try:
        # os.open and not tempfile: the file gets the permissions any new file gets (umask), not 0600.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(partial, flags, 0o666), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if keep is not None and target.exists():
            _move(target, keep)
        _move(partial, target)
        sync_folder(target.parent)
    except BaseException:  # also on KeyboardInterrupt: nothing may be left behind
        with suppress(OSError):
            partial.unlink()
        raise


def _move(file: Path, target: Path) -> None:
    """Put it in the target's place. On Windows that fails while anybody reads one of them, which is soon over."""
    for _ in range(20 if sys.platform == "win32" else 0):
        try:
            file.replace(target)
        except PermissionError:
            time.sleep(0.05)
        else:
            return
    file.replace(target)


def sync_folder(folder: Path) -> None:
    """Force to the disk which files a folder has; not every system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # network file systems without it
            raise
    finally:
        os.close(descriptor)


def cache_folder() -> Path:
    """Where downloads and measurements are kept: ``$IMPASTO_CACHE``, else the user's cache folder of this system.

    Raises:
        ParameterError: ``$IMPASTO_CACHE`` begins with ``~`` and somebody who is not known here.
    """
    chosen = os.environ.get("IMPASTO_CACHE")
    if not chosen:
        return Path(platformdirs.user_cache_dir("impasto", appauthor=False))
    try:
        return Path(chosen).expanduser()
    except RuntimeError as error:
        raise ParameterError(f"cache {chosen}: cannot be used: there is no such user") from error
