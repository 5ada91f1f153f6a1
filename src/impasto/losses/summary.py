"""Summaries: the sums over pixels of feature maps that style losses depend on; the summaries of tiles add up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self, TypeVar, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Summary(Protocol):
    """Sums over the pixels of feature maps.

    Each style loss chooses its summary type; most use :class:`impasto.losses.moments.Moments`.
    """

    @property
    def count(self) -> float:
        """Number of pixels, or the sum of their weights."""
        ...

    @property
    def channels(self) -> int:
        """Channels of the feature maps."""
        ...

    @property
    def sums(self) -> tuple[Tensor, ...]:
        """The sums, each (N, …)."""
        ...

    def with_sums(self, sums: tuple[Tensor, ...], count: float) -> Self:
        """A summary of the same type with other sums, in the order of :attr:`sums`."""
        ...

    @staticmethod
    def add_gradient(
        features: Tensor, by_sums: Sequence[Tensor | None], gradient: Tensor | None, weight: Tensor | None
    ) -> Tensor:
        """The derivative by the features, computed from the derivatives by the sums, plus ``gradient``.

        Args:
            features: (N, C, H, W), channels last.
            by_sums: derivatives in the order of :attr:`sums`; None for a sum that the loss does not depend on.
            gradient: shaped as the features; may be overwritten with the result. None stands for zeros.
            weight: (1, 1, H, W), the weight of each pixel; None weights each with 1.
        """
        ...


S = TypeVar("S", bound=Summary)


def add(one: S, other: S) -> S:
    """The summary of two parts of a picture together."""
    pairs = zip(one.sums, other.sums, strict=True)
    return one.with_sums(tuple(a + b for a, b in pairs), one.count + other.count)


def blend(summaries: Sequence[S], weights: Sequence[float]) -> S:
    """The summary of a picture that consists of a share ``weights[i]`` of each style, whatever the styles' sizes.

    For a quadratic loss and weights that sum to 1, the gradient towards the blend equals the weighted sum of the
    gradients towards each style; only a constant differs.
    """
    count = sum(w * s.count for s, w in zip(summaries, weights, strict=True))
    shares = [count * w / s.count for s, w in zip(summaries, weights, strict=True)]
    scaled = [[each * share for each in s.sums] for s, share in zip(summaries, shares, strict=True)]
    return summaries[0].with_sums(
        tuple(torch.stack(each).sum(0) for each in zip(*scaled, strict=True)), count
    )
