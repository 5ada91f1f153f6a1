"""Summaries: what style losses see of feature maps, sums over pixels, so that the pieces of a picture add up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self, TypeVar, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Summary(Protocol):
    """Sums over the pixels of feature maps.

    A style loss brings its own kind. :class:`impasto.losses.moments.Moments` is the one that most losses share.
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
        """The same kind of summary with other sums, in the order of :attr:`sums`."""
        ...

    @staticmethod
    def add_gradient(
        features: Tensor, by_sums: Sequence[Tensor | None], gradient: Tensor | None, weight: Tensor | None
    ) -> Tensor:
        """The derivative by the features, where the derivatives by their sums are given.

        Args:
            features: (N, C, H, W), channels last.
            by_sums: in the order of :attr:`sums`; None where the loss does not depend on one.
            gradient: shaped as the features; the derivative is added to it, perhaps in place. None: to zeros.
            weight: (1, 1, H, W), how much each pixel counts; None counts each once.
        """
        ...


S = TypeVar("S", bound=Summary)


def added(one: S, other: S) -> S:
    """The summary of both pieces together."""
    pairs = zip(one.sums, other.sums, strict=True)
    return one.with_sums(tuple(a + b for a, b in pairs), one.count + other.count)


def blend(summaries: Sequence[S], weights: Sequence[float]) -> S:
    """The summary of a picture that is a share ``weights[i]`` of each style, whatever the styles' sizes.

    For a quadratic loss and weights that sum to 1, the gradient towards the blend equals the weighted sum of the
    gradients towards each style; only a constant differs.
    """
    count = sum(w * s.count for s, w in zip(summaries, weights, strict=True))
    shares = [count * w / s.count for s, w in zip(summaries, weights, strict=True)]
    scaled = [[each * share for each in s.sums] for s, share in zip(summaries, shares, strict=True)]
    return summaries[0].with_sums(
        tuple(torch.stack(each).sum(0) for each in zip(*scaled, strict=True)), count
    )
