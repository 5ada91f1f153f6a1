"""A training step as a CUDA graph: kernels are recorded once, then replayed together.

A step of a small network launches about two thousand kernels, and launching takes longer than running them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from impasto.feedforward.training.batches import Batch

_WARMUP = 3
"""Steps before recording, in which libraries choose kernels and allocate memory."""

Step = Callable[[Batch], dict[str, Tensor]]


@dataclass(frozen=True, eq=False)  # compared by identity: == of tensors is elementwise
class Recorded:
    """A recorded step.

    Attributes:
        graph: the recorded kernels.
        batch: the buffers that the kernels read.
        terms: the buffers of the returned terms; each replay overwrites them.
    """

    graph: torch.cuda.CUDAGraph
    batch: Batch
    terms: dict[str, Tensor]

    @classmethod
    def of(cls, step: Step, batch: Batch) -> Self:
        """Record ``step``. Tensors that the step stores, such as gradients, are overwritten by each replay.

        The step must not synchronise with the device, and must not depend on values of the batch that are not
        tensors.
        """
        buffers = _copied(batch)
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARMUP):
                step(buffers)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            terms = step(buffers)
        return cls(graph, buffers, terms)

    def fits(self, batch: Batch) -> bool:
        """Whether another batch has the same sizes."""
        return self.batch.contents.shape == batch.contents.shape and self.batch.own == batch.own

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Replay the step with another batch of the same sizes."""
        for field in dataclasses.fields(Batch):
            value = getattr(batch, field.name)
            if isinstance(value, Tensor):
                getattr(self.batch, field.name).copy_(value)
        self.graph.replay()
        return {name: term.clone() for name, term in self.terms.items()}


def _copied(batch: Batch) -> Batch:
    values: dict[str, Any] = {field.name: getattr(batch, field.name) for field in dataclasses.fields(Batch)}
    copies: dict[str, Any] = {name: v.clone() if isinstance(v, Tensor) else v for name, v in values.items()}
    return Batch(**copies)
