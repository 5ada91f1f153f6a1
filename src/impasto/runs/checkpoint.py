"""The file that a run goes on from: safetensors, written and read in pieces, with a digest of all its bytes.

A checkpoint of a large picture is gigabytes, most of it what L-BFGS remembers. Nothing of it is ever copied whole:
the header comes first, each tensor follows a piece at a time, and reading goes the same way. What the format does
not say is whether the bytes are those that were written; the digest does. Its place in the header is filled in last.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from impasto.engine.solvers.state import Chunked, State, flat
from impasto.errors import OutputError

VERSION = 2
"""Of what the header says."""

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_PIECE = 1 << 20  # bytes
_BLANK = "0" * 32  # where the digest comes
_LARGEST_HEADER = 100_000_000  # what safetensors itself allows


@dataclass(frozen=True)
class Checkpoint:
    """Where to go on.

    Attributes:
        state: what :meth:`impasto.engine.step.Step.live_state` gave, or a file has.
        done: iterations done.
        seconds: spent on them.
    """

    state: State
    done: int
    seconds: float


def write_to(file: IO[bytes], checkpoint: Checkpoint) -> None:
    """Write a checkpoint; besides what is being painted that takes a few megabytes.

    Raises:
        OSError: the file system refuses.
    """
    # Large numbers first, as safetensors has it, so that every tensor lies at a multiple of its numbers' size.
    state = dict(sorted(checkpoint.state.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])))
    header = _header(state, {"done": str(checkpoint.done), "seconds": repr(checkpoint.seconds)})
    digest = hashlib.blake2b(header, digest_size=16)
    file.write(header)
    for value in state.values():
        for piece in _pieces(value):
            file.write(piece)
            digest.update(piece)
    file.seek(header.index(_BLANK.encode()))
    file.write(digest.hexdigest().encode())


def _header(state: State, about: Mapping[str, str]) -> bytes:
    """The safetensors header, its length first: what each tensor is and where it lies."""
    entries: dict[str, Any] = {"__metadata__": {"version": str(VERSION), "digest": _BLANK, **about}}
    at = 0
    for name, value in state.items():
        end = at + math.prod(value.shape) * value.dtype.itemsize
        entries[name] = {"dtype": _NAMES[value.dtype], "shape": list(value.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _pieces(value: Tensor | Chunked) -> Iterator[memoryview]:
    """The bytes of a tensor, in order, about a megabyte at a time."""
    source = flat(value)
    chunks = [slice(0, value.numel())] if isinstance(value, Tensor) else value.chunks()
    for chunk in chunks:
        for piece in torch.split(source[chunk], _PIECE // value.dtype.itemsize):
            yield _bytes(piece.cpu())


def _bytes(values: Tensor) -> memoryview:
    """The memory of (values,)."""
    data: memoryview = values.contiguous().view(torch.uint8).numpy().data
    return data


def read_from(path: Path) -> Checkpoint:
    """Read a checkpoint; all its bytes are looked at, and its tensors stay in the file until they are asked for.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged.
    """
    with path.open("rb") as file:
        header, checkpoint, digest = _opened(file, path)
        if _digest_of_all(file, header, digest) != digest:
            raise ValueError("its bytes are not those that were written")
    return checkpoint


def done_in(path: Path) -> int | None:
    """Iterations done in a checkpoint, from its header alone; None if that is damaged, or there is no file."""
    try:
        with path.open("rb") as file:
            return _opened(file, path)[1].done
    except (ValueError, FileNotFoundError):
        return None


def _opened(file: IO[bytes], path: Path) -> tuple[bytes, Checkpoint, str]:
    """What the header says: itself, the checkpoint, and the digest of the file."""
    header = _read_header(file)
    try:
        entries = json.loads(header[8:])
        about = entries.pop("__metadata__")
        version, done, seconds = about["version"], int(about["done"]), float(about["seconds"])
        digest = str(about["digest"])
        state = {name: Stored(path, len(header), **entry) for name, entry in entries.items()}
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        raise ValueError("its header is none of a checkpoint") from None
    if version != str(VERSION):
        raise ValueError(f"expected version {VERSION}, got {version}")
    if sum(each.bytes for each in state.values()) != file.seek(0, 2) - len(header):
        raise ValueError("it is not as long as its header says")
    return header, Checkpoint(state, done, seconds), digest


def _read_header(file: IO[bytes]) -> bytes:
    start = file.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    if not 0 < length <= _LARGEST_HEADER:
        raise ValueError("its header is none of a checkpoint")
    header = start + file.read(length)
    if len(header) < 8 + length:
        raise ValueError("it is cut short")
    return header


def _digest_of_all(file: IO[bytes], header: bytes, digest: str) -> str:
    """Of the file as it was before its digest was filled in."""
    found = hashlib.blake2b(header.replace(digest.encode(), _BLANK.encode(), 1), digest_size=16)
    file.seek(len(header))
    while piece := file.read(_PIECE):
        found.update(piece)
    return found.hexdigest()


class Stored:
    """A tensor in a file, :class:`impasto.engine.solvers.state.Chunked`.

    Args:
        path: the file; it is opened when something is first asked for, and closed with the object.
        start: where the tensors begin in it.
        dtype, shape, data_offsets: the tensor's entry in the header.

    Raises:
        ValueError, TypeError, KeyError: the entry makes no sense.
    """

    def __init__(
        self, path: Path, start: int, *, dtype: str, shape: list[int], data_offsets: tuple[int, int]
    ) -> None:
        first, end = data_offsets
        self._path, self._at = path, start + first
        self._file: IO[bytes] | None = None
        self.dtype, self.shape, self.bytes = _DTYPES[dtype], torch.Size(shape), end - first
        if first < 0 or math.prod(shape) * self.dtype.itemsize != self.bytes:
            raise ValueError(f"{shape} of {dtype} in {self.bytes} bytes")

    def chunks(self) -> Iterator[slice]:
        count, most = math.prod(self.shape), _PIECE // self.dtype.itemsize
        return (slice(first, min(first + most, count)) for first in range(0, count, most))

    def __getitem__(self, stretch: slice, /) -> Tensor:
        values = torch.empty(stretch.stop - stretch.start, dtype=self.dtype)
        data = _bytes(values)
        try:
            if self._file is None:
                self._file = self._path.open("rb")  # lives as long as we do
                weakref.finalize(self, self._file.close)
            self._file.seek(self._at + stretch.start * self.dtype.itemsize)
            if self._file.readinto(data) < len(data):  # type: ignore[attr-defined]  # every file of bytes has it
                raise OSError("it is cut short")
        except OSError as error:
            raise OutputError(f"{self._path}: cannot read: {error.strerror or error}") from None
        return values
