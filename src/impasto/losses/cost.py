"""What a loss takes: memory and arithmetic, from which a picture is planned before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """What a loss takes for one evaluation at one layer against one picture.

    Attributes:
        kept: bytes of what is kept of the other picture.
        work: bytes, beside the maps themselves, while it is evaluated and differentiated.
        products: multiplications.
        ordered: numbers that are brought into order.
    """

    kept: float = 0.0
    work: float = 0.0
    products: float = 0.0
    ordered: float = 0.0
