"""A style's code, which can be saved, mixed and interpolated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from impasto.errors import ParameterError, WeightsError
from impasto.files import replacing

_FORMAT = "impasto-style-1"


@dataclass(frozen=True, eq=False)  # compared by identity: == of tensors is elementwise
class Style:
    """Codes of N styles, for one network.

    Attributes:
        code: (N, code).
    """

    code: Tensor

    @classmethod
    def mix(cls, styles: Sequence[Self], weights: Sequence[float]) -> Self:
        """The weighted mean of styles.

        Args:
            weights: 0 or more, not all 0; they are divided by their sum.

        Raises:
            ParameterError: no style, a different number of weights and styles, or weights out of range.
        """
        if not styles or len(styles) != len(weights):
            raise ParameterError(f"mix: expected one weight per style, got {len(weights)} for {len(styles)}")
        total = sum(weights)
        if min(weights) < 0 or not 0 < total < float("inf"):
            raise ParameterError(f"mix: expected weights of 0 or more, not all 0, got {list(weights)}")
        return cls(sum((s.code * (w / total) for s, w in zip(styles, weights, strict=True)), torch.zeros(())))

    def towards(self, other: Self, share: float) -> Self:
        """Linear interpolation: this style at share 0, the other at share 1."""
        return type(self)(torch.lerp(self.code, other.code, share))

    def save(self, path: Path) -> None:
        """Write a safetensors file, atomically.

        Raises:
            OSError: the file cannot be written.
        """
        with replacing(path) as file:
            tensors = {"code": self.code.detach().cpu().contiguous()}
            file.write(safetensors.torch.save(tensors, metadata={"format": _FORMAT}))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file of :meth:`save` to the CPU.

        Raises:
            WeightsError: the file is missing, damaged, or of another format.
        """
        try:
            with safetensors.safe_open(path, "pt") as file:
                header = file.metadata() or {}
                if header.get("format") == _FORMAT:
                    return cls(file.get_tensor("code"))
        except (OSError, safetensors.SafetensorError) as error:
            raise WeightsError(f"style {path}: cannot be read: {error}") from error
        raise WeightsError(f"style {path}: expected {_FORMAT}, got {header.get('format', 'no format')}")
