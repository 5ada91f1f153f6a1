"""Trained networks as files: safetensors, with the architecture in the header."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from impasto.errors import WeightsError
from impasto.feedforward.network import Architecture, Network
from impasto.files import replacing

FORMAT = "impasto-feedforward-1"
"""Another number whenever the same tensors would mean another picture."""

PACKAGED = Path(__file__).with_name("instant.safetensors")
"""The weights that come with the package: docs/model-card.md."""


def save(network: Network, path: Path, *, dtype: torch.dtype = torch.float16, **notes: str) -> None:
    """Write a network, whole or not at all.

    Args:
        dtype: of the numbers in the file.
        notes: further lines for the header, such as how it was trained.

    Raises:
        OSError: the file system refuses.
    """
    tensors = {name: tensor.to("cpu", dtype).contiguous() for name, tensor in network.state_dict().items()}
    header = {"format": FORMAT, "architecture": to_json(network.architecture), **notes}
    with replacing(path) as file:
        file.write(safetensors.torch.save(tensors, metadata=header))


def load(path: Path) -> Network:
    """A network in float32 on the CPU, ready to paint.

    Raises:
        WeightsError: no such file, damaged, of another version, or not finite.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            header: dict[str, str] = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsError(f"weights {path}: cannot be read: {error}") from error
    if header.get("format") != FORMAT:
        raise WeightsError(f"weights {path}: expected {FORMAT}, got {header.get('format', 'no format')}")
    network = Network(from_json(header["architecture"], path))
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except RuntimeError as error:
        raise WeightsError(f"weights {path}: they do not fit the architecture in their header") from error
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise WeightsError(f"weights {path}: some numbers are not finite")
    return channels_last(network.eval())


def channels_last(network: Network) -> Network:
    """The same network, its kernels as convolutions are fastest; typed here, since torch's own types lack it."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def to_json(architecture: Architecture) -> str:
    """An architecture as a line of JSON."""
    return json.dumps(dataclasses.asdict(architecture))


def from_json(line: str, path: Path) -> Architecture:
    """The inverse of :func:`to_json`; ``path`` is for the message.

    Raises:
        WeightsError: it says something else.
    """
    try:
        values = json.loads(line)
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return Architecture(**fields)
    except (ValueError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"weights {path}: the header says nothing of use about the architecture"
        ) from error
