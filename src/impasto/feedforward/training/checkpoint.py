"""A training run on disk, to be resumed: one safetensors file, written whole or not at all."""

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


@dataclass(frozen=True, eq=False)  # compared by identity: tensors have no one truth
class Checkpoint:
    """Where a run stands.

    Attributes:
        tensors: by names such as "network.content.levels.0.weight".
        step: how many steps were made.
        architecture: as a line of JSON.
    """

    tensors: Mapping[str, Tensor]
    step: int
    architecture: str

    def save(self, path: Path) -> None:
        """Write it, whole or not at all.

        Raises:
            OSError: the file system refuses.
        """
        header = {"format": _FORMAT, "step": str(self.step), "architecture": self.architecture}
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        with replacing(path) as file:
            file.write(safetensors.torch.save(tensors, metadata=header))

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read it to the CPU.

        Raises:
            WeightsError: no such file, damaged, or something else.
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
