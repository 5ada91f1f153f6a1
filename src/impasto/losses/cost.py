"""The cost of a loss in memory and arithmetic, from which a plan is made before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """The cost of one evaluation of a loss at one layer against one other picture.

    Attributes:
        target_bytes: memory of the other picture's target.
        work_bytes: temporary memory of the evaluation and its gradient, without the feature maps.
        products: multiplications.
        sorted_values: number of values that are sorted.
    """

    target_bytes: float = 0.0
    work_bytes: float = 0.0
    products: float = 0.0
    sorted_values: float = 0.0
