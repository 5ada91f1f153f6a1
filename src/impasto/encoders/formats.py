"""Reads files of tensors into {name: tensor}; a file cannot run code.

The format follows from the first bytes of a file, never from its suffix: a safetensors header, an HDF5 signature, a
zip archive with a pickle as ``torch.save`` writes it today, or the pickle stream that it wrote until 2020. Pickles
are loaded with ``torch.load(weights_only=True)``, which accepts only tensors and plain containers.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from impasto.errors import MissingExtraError, WeightsError

Format = Literal["torch", "safetensors", "hdf5"]

# Bytes. VGG19 with its classifier is 0.57 GB in single precision and 1.15 GB in double; no usable file is larger.
LIMIT = 2 * 1024**3

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_LEGACY_TORCH = (
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # pickle of the magic number of torch.save's legacy format
)
_FORMATS = "a PyTorch .pth, .safetensors or Keras .h5 file"


@dataclass(frozen=True)
class Contents:
    """The tensors of one file by the file's names, on the CPU, in the file's dtypes.

    The tensors may be views of the memory-mapped file: copy those to be stored.
    """

    format: Format
    tensors: dict[str, Tensor]
    metadata: dict[str, str] = field(default_factory=dict)


def locate(location: str) -> tuple[Path, bool]:
    """The path of a user's file name, with ~ expanded, and whether an accessible file or folder exists there.

    Raises:
        WeightsError: the name begins with ~ and an unknown user.
    """
    try:
        path = Path(location).expanduser()
    except RuntimeError as error:
        raise WeightsError(
            f"weights {location}: expected a file, but there is no such user; write the full path"
        ) from error
    try:
        return path, path.exists()
    except OSError:  # for example a name that is too long, or a folder without permission
        return path, False


def read(path: Path, *, keep: Callable[[str], bool] = lambda name: True) -> Contents:
    """Read the tensors of a file whose names ``keep`` accepts.

    Raises:
        WeightsError: not a regular file, larger than ``LIMIT``, of an unknown format, damaged, or a pickle that
            contains anything but tensors.
        MissingExtraError: an HDF5 file, and h5py is not installed.
    """
    try:
        if not path.is_file():
            special = "a special file" if path.exists() else "a path that does not exist"
            kind = "a folder" if path.is_dir() else special
            raise WeightsError(f"weights {path}: expected a file, got {kind}")
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise WeightsError(f"weights {path}: cannot be read: {error.strerror or error}") from error
    if size > LIMIT:
        raise WeightsError(f"weights {path}: expected at most {LIMIT / 1e9:.1f} GB, got {size / 1e9:.1f} GB")

    if head.startswith(_HDF5):
        return _hdf5(path, keep)
    if head.startswith(_ZIP):
        return _torch_zip(path, keep)
    if head.startswith(_LEGACY_TORCH):
        return Contents("torch", _tensors(path, _torch_load(path, mmap=False), keep))
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size - 8:
        return _safetensors(path, keep)
    raise WeightsError(f"weights {path}: expected {_FORMATS}, got {_describe(head)}")


def _describe(head: bytes) -> str:
    if not head:
        return "an empty file"
    if head.lstrip()[:1] == b"<":
        return "a web page"
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer; fetch the file with 'git lfs pull'"
    if head[8:9] == b"{":
        return "a truncated safetensors file"
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        return "a plain pickle, which is not opened because it could run code"
    return "an unknown format"


@contextlib.contextmanager
def _one_line_errors(path: Path, kind: str) -> Iterator[None]:
    """Turn any exception of a parser into one error: for a damaged file, parsers raise many types of exception."""
    try:
        yield
    except (WeightsError, MissingExtraError):
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0][:160] or type(error).__name__
        raise WeightsError(f"weights {path}: expected a {kind} file, got a damaged one: {reason}") from error


def _torch_zip(path: Path, keep: Callable[[str], bool]) -> Contents:
    with _one_line_errors(path, "PyTorch"), zipfile.ZipFile(path) as archive:
        records = archive.infolist()
    if any(record.filename == "model.weights.h5" for record in records):
        raise WeightsError(
            f"weights {path}: expected {_FORMATS}, got a .keras archive; extract its .weights.h5"
        )
    if not any(record.filename.endswith("data.pkl") for record in records):
        raise WeightsError(f"weights {path}: expected {_FORMATS}, got a zip archive without tensors")
    # torch.save never compresses. A compressed record is either a zip bomb, or would be mapped as garbage.
    if any(record.compress_type != zipfile.ZIP_STORED for record in records):
        raise WeightsError(f"weights {path}: expected an uncompressed PyTorch file, got a compressed archive")
    # Memory-mapped, so that the fully connected layers, 80 % of a VGG, are never read.
    return Contents("torch", _tensors(path, _torch_load(path, mmap=True), keep))


def _torch_load(path: Path, *, mmap: bool) -> object:
    with _one_line_errors(path, "PyTorch"):
        try:
            return torch.load(str(path), map_location="cpu", weights_only=True, mmap=mmap)
        except Exception as error:
            refused = re.search(r"Unsupported (?:global|class)[^\n]*?([\w]+(?:\.\w+)+)", str(error))
            if refused or "weights_only" in str(error) or "Weights only" in str(error):
                what = refused[1] if refused else "other objects"
                raise WeightsError(
                    f"weights {path}: expected tensors only, got a pickle that requests {what}; "
                    "it was not opened because it could run code"
                ) from error
            raise


def _tensors(path: Path, loaded: object, keep: Callable[[str], bool]) -> dict[str, Tensor]:
    # Training checkpoints nest the weights beside the optimiser's state. The loop is bounded, since a dictionary can
    # contain itself.
    for _ in range(4):
        if not isinstance(loaded, dict):
            break
        inner = next(
            (loaded[key] for key in ("state_dict", "model") if isinstance(loaded.get(key), dict)), None
        )
        if inner is None:
            break
        loaded = inner
    if not isinstance(loaded, dict) or not all(isinstance(name, str) for name in loaded):
        kind = type(loaded).__name__
        raise WeightsError(f"weights {path}: expected a dictionary of named tensors, got {kind}")
    return {
        name: tensor.detach()
        for name, tensor in loaded.items()
        # A sparse or meta tensor has no usable values; its name will be reported as missing.
        if isinstance(tensor, Tensor)
        and tensor.layout is torch.strided
        and tensor.device.type == "cpu"
        and keep(name)
    }


def _safetensors(path: Path, keep: Callable[[str], bool]) -> Contents:
    from safetensors import safe_open

    with _one_line_errors(path, "safetensors"), safe_open(path, framework="pt") as file:
        # safe_open() checks that the header's offsets lie inside the file.
        tensors = {name: file.get_tensor(name) for name in file.keys() if keep(name)}  # noqa: SIM118
        return Contents("safetensors", tensors, dict(file.metadata() or {}))


def _hdf5(path: Path, keep: Callable[[str], bool]) -> Contents:
    try:
        h5py: Any = importlib.import_module("h5py")
    except ImportError as error:
        raise MissingExtraError("reading Keras .h5 weights", extra="keras") from error

    tensors: dict[str, Tensor] = {}
    room = LIMIT

    def collect(name: str, item: Any) -> None:
        nonlocal room
        if not isinstance(item, h5py.Dataset) or not keep(name) or item.dtype.kind not in "fiu":
            return
        if item.external or item.is_virtual:  # its data would come from another file on this machine
            raise WeightsError(
                f"weights {path}: expected the data of {name} in this file, got a link to data in another file"
            )
        room -= item.size * item.dtype.itemsize
        if room < 0:  # a small compressed file can expand to any size
            raise WeightsError(f"weights {path}: expected at most {LIMIT / 1e9:.1f} GB of numbers, got more")
        native = item[()].astype(item.dtype.newbyteorder("="), copy=False)
        tensors[name] = torch.as_tensor(native)

    with _one_line_errors(path, "HDF5"), h5py.File(path, "r") as file:
        file.visititems(collect)  # does not follow links, so it reads only this file
    return Contents("hdf5", tensors)
