"""The objective's value and gradient at one picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.losses.objective import Features, Objective, Targets, evaluate, layers


@dataclass(frozen=True)
class Evaluation:
    """What a solver needs to know about a point.

    Attributes:
        loss: the total.
        gradient: d total / d x, shaped as x.
        terms: the weighted terms by name; they sum to ``loss``.
    """

    loss: float
    gradient: Tensor
    terms: Mapping[str, float]


Evaluate = Callable[[Tensor], Evaluation]
"""x -> its evaluation. x is the picture in whatever unit the solver works in."""


def evaluator(
    extract: Callable[[Tensor, tuple[str, ...]], Features],
    objective: Objective,
    targets: Targets,
    unit: float,
) -> Evaluate:
    """The evaluation of an objective at pictures stored in [0, unit].

    Args:
        extract: the encoder, (image in [0, 1], layers) -> features.
        unit: what white is; the gradient is with respect to the stored values.
    """
    needed = layers(objective)

    def evaluate_at(x: Tensor) -> Evaluation:
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            image = x / unit
            terms = evaluate(objective, targets, image, extract(image, needed) if needed else {})
            total = torch.stack(list(terms.values())).sum()
        (gradient,) = torch.autograd.grad(total, x)
        return Evaluation(
            float(total.detach()),
            gradient.contiguous(),
            {name: float(value.detach().sum()) for name, value in terms.items()},
        )

    return evaluate_at
