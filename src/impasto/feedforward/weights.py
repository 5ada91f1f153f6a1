"""Save and load trained networks: safetensors files with the architecture in the header."""

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
"""The version number changes whenever the same tensors would give another picture."""

PACKAGED = Path(__file__).with_name("instant.safetensors")
"""The weights included in the package, described in docs/model-card.md."""


def save(network: Network, path: Path, *, dtype: torch.dtype = torch.float16, **notes: str) -> None:
    """Write a network, atomically.

    Args:
        dtype: number type in the file.
        notes: additional header entries, such as training settings.

    Raises:
        OSError: the file cannot be written.
    """
    tensors = {name: tensor.to("cpu", dtype).contiguous() for name, tensor in network.state_dict().items()}
    header = {"format": FORMAT, "architecture": to_json(network.architecture), **notes}
    with replacing(path) as file:
        file.write(safetensors.torch.save(tensors, metadata=header))


def load(path: Path) -> Network:
    """Load a network in float32 to the CPU, in evaluation mode.

    Raises:
        WeightsError: the file is missing, damaged or of another version, or a value is not finite.
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
        raise WeightsError(
            f"weights {path}: expected the tensors of the header's architecture, got others"
        ) from error
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise WeightsError(f"weights {path}: expected finite values, got NaN or infinity")
    return channels_last(network.eval())


def channels_last(network: Network) -> Network:
    """The network in channels-last memory format, the fastest for convolutions. torch's type stubs lack this call."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def to_json(architecture: Architecture) -> str:
    """The architecture as one line of JSON."""
    return json.dumps(dataclasses.asdict(architecture))


def from_json(line: str, path: Path) -> Architecture:
    """The inverse of :func:`to_json`; ``path`` appears in error messages.

    Raises:
        WeightsError: the line is not an architecture.
    """
    try:
        values = json.loads(line)
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return Architecture(**fields)
    except (ValueError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"weights {path}: expected an architecture as JSON in the header, got {line[:80]!r}"
        ) from error
