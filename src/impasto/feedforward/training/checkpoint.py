"""Checkpoints of training runs: one safetensors file each, written atomically."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from impasto.errors import WeightsError
from impasto.files import replacing

_FORMAT = "impasto-training-1"


@dataclass(frozen=True, eq=False)  # compared by identity: == of tensors is elementwise
class Checkpoint:
    """The state of a training run.

    Attributes:
        tensors: name, such as "network.content.levels.0.weight" -> tensor.
        step: steps done.
        architecture: as a line of JSON.
    """

    tensors: Mapping[str, Tensor]
    step: int
    architecture: str

    def save(self, path: Path) -> None:
        """Write the checkpoint, atomically.

        Raises:
            OSError: the file cannot be written.
        """
        header = {"format": _FORMAT, "step": str(self.step), "architecture": self.architecture}
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        with replacing(path) as file:
            file.write(safetensors.torch.save(tensors, metadata=header))

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Load a checkpoint to the CPU.

        Raises:
            WeightsError: the file is missing, damaged, or of another format.
        """
        try:
            with safetensors.safe_open(path, "pt") as file:
                header: dict[str, str] = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, safetensors.SafetensorError) as error:
            raise WeightsError(f"checkpoint {path}: cannot be read: {error}") from error
        if header.get("format") != _FORMAT:
            raise WeightsError(
                f"checkpoint {path}: expected {_FORMAT}, got {header.get('format', 'no format')}"
            )
        return cls(tensors, int(json.loads(header["step"])), header["architecture"])
