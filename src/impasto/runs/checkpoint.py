"""Checkpoint files: safetensors, written and read in chunks, with a digest of the file.

A checkpoint of a large picture takes gigabytes, most of them L-BFGS's history. It is never copied in memory: the
header comes first, then each tensor in chunks; reading works likewise. safetensors has no checksum, so the header's
metadata contains a digest. A placeholder reserves its place until all bytes are written.
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
"""Version of the header's metadata."""

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
_PLACEHOLDER = "0" * 32  # for the digest
_LARGEST_HEADER = 100_000_000  # the limit of safetensors


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run, to resume it from.

    Attributes:
        state: of :meth:`impasto.engine.step.Step.live_state`, or read from a file.
        done: number of iterations done.
        seconds: duration of these iterations.
    """

    state: State
    done: int
    seconds: float


def write_to(file: IO[bytes], checkpoint: Checkpoint) -> None:
    """Write a checkpoint, with a few megabytes of additional memory.

    Raises:
        OSError: the file system reports an error.
    """
    # Large dtypes first, as in safetensors, so that every tensor is aligned to the size of its dtype.
    state = dict(sorted(checkpoint.state.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])))
    header = _header(state, {"done": str(checkpoint.done), "seconds": repr(checkpoint.seconds)})
    digest = hashlib.blake2b(header, digest_size=16)
    file.write(header)
    for value in state.values():
        for piece in _pieces(value):
            file.write(piece)
            digest.update(piece)
    file.seek(header.index(_PLACEHOLDER.encode()))
    file.write(digest.hexdigest().encode())


def _header(state: State, about: Mapping[str, str]) -> bytes:
    """The safetensors header, preceded by its length: type, shape and offsets of each tensor."""
    entries: dict[str, Any] = {"__metadata__": {"version": str(VERSION), "digest": _PLACEHOLDER, **about}}
    at = 0
    for name, value in state.items():
        end = at + math.prod(value.shape) * value.dtype.itemsize
        entries[name] = {"dtype": _NAMES[value.dtype], "shape": list(value.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _pieces(value: Tensor | Chunked) -> Iterator[memoryview]:
    """The bytes of a tensor, in order, in chunks of about a megabyte."""
    source = flat(value)
    chunks = [slice(0, value.numel())] if isinstance(value, Tensor) else value.chunks()
    for chunk in chunks:
        for piece in torch.split(source[chunk], _PIECE // value.dtype.itemsize):
            yield _bytes(piece.cpu())


def _bytes(values: Tensor) -> memoryview:
    """The memory of ``values``."""
    data: memoryview = values.contiguous().view(torch.uint8).numpy().data
    return data


def read_from(path: Path) -> Checkpoint:
    """Read a checkpoint and verify its digest. The tensors are loaded lazily, on access.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is damaged.
    """
    with path.open("rb") as file:
        header, checkpoint, digest = _parse(file, path)
        if _digest_of(file, header, digest) != digest:
            raise ValueError("expected bytes that match the digest in the header, got others")
    return checkpoint


def done_in(path: Path) -> int | None:
    """Iterations done in a checkpoint, from its header; None where the file is missing or its header damaged."""
    try:
        with path.open("rb") as file:
            return _parse(file, path)[1].done
    except (ValueError, FileNotFoundError):
        return None


def _parse(file: IO[bytes], path: Path) -> tuple[bytes, Checkpoint, str]:
    """The header, the checkpoint that it describes, and the digest that it contains."""
    header = _read_header(file)
    try:
        entries = json.loads(header[8:])
        about = entries.pop("__metadata__")
        version, done, seconds = about["version"], int(about["done"]), float(about["seconds"])
        digest = str(about["digest"])
        state = {name: StoredTensor(path, len(header), **entry) for name, entry in entries.items()}
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        raise ValueError("expected the header of a checkpoint, got other bytes") from None
    if version != str(VERSION):
        raise ValueError(f"expected version {VERSION}, got {version}")
    if sum(each.bytes for each in state.values()) != file.seek(0, 2) - len(header):
        raise ValueError("expected the length that its header gives, got another")
    return header, Checkpoint(state, done, seconds), digest


def _read_header(file: IO[bytes]) -> bytes:
    start = file.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    if not 0 < length <= _LARGEST_HEADER:
        raise ValueError("expected the header of a checkpoint, got other bytes")
    header = start + file.read(length)
    if len(header) < 8 + length:
        raise ValueError("expected a complete header, got a truncated file")
    return header


def _digest_of(file: IO[bytes], header: bytes, digest: str) -> str:
    """Digest of the file with the placeholder in place of its digest."""
    found = hashlib.blake2b(header.replace(digest.encode(), _PLACEHOLDER.encode(), 1), digest_size=16)
    file.seek(len(header))
    while piece := file.read(_PIECE):
        found.update(piece)
    return found.hexdigest()


class StoredTensor:
    """A tensor in a file, as :class:`impasto.engine.solvers.state.Chunked`.

    Args:
        path: the file. The first access opens it; it closes with the object.
        start: offset of the first tensor in the file.
        dtype, shape, data_offsets: the tensor's entry in the header.

    Raises:
        ValueError, TypeError, KeyError: an invalid entry.
    """

    def __init__(
        self, path: Path, start: int, *, dtype: str, shape: list[int], data_offsets: tuple[int, int]
    ) -> None:
        first, end = data_offsets
        self._path, self._at = path, start + first
        self._file: IO[bytes] | None = None
        self.dtype, self.shape, self.bytes = _DTYPES[dtype], torch.Size(shape), end - first
        if first < 0 or math.prod(shape) * self.dtype.itemsize != self.bytes:
            raise ValueError(f"expected {self.bytes} bytes, got shape {shape} of {dtype}")

    def chunks(self) -> Iterator[slice]:
        count, most = math.prod(self.shape), _PIECE // self.dtype.itemsize
        return (slice(first, min(first + most, count)) for first in range(0, count, most))

    def __getitem__(self, stretch: slice, /) -> Tensor:
        values = torch.empty(stretch.stop - stretch.start, dtype=self.dtype)
        data = _bytes(values)
        try:
            if self._file is None:
                self._file = self._path.open("rb")  # lives as long as this object
                weakref.finalize(self, self._file.close)
            self._file.seek(self._at + stretch.start * self.dtype.itemsize)
            if self._file.readinto(data) < len(data):  # type: ignore[attr-defined]  # every binary file has it
                raise OSError("the file is truncated")
        except OSError as error:
            raise OutputError(f"{self._path}: cannot read: {error.strerror or error}") from None
        return values
