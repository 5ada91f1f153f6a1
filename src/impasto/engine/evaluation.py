"""The objective's value and gradient at one picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from impasto.engine.regions import NONE, Regions
from impasto.exact import float32_products
from impasto.geometry import size_of
from impasto.losses.objective import (
    Features,
    Guides,
    Objective,
    Targets,
    content_layers,
    evaluate,
    layers,
    style_layers,
    targets,
)

Extract = Callable[[Tensor, tuple[str, ...]], Features]
"""An encoder: (image in [0, 1], layers) -> features."""


@dataclass(frozen=True)
class Evaluation:
    """The objective at one point.

    Attributes:
        loss: the total.
        gradient: d total / d x, shaped as x. The caller may overwrite it.
        terms: the weighted terms by name; they sum to ``loss``.
    """

    loss: float
    gradient: Tensor
    terms: Mapping[str, float]


class Evaluate(Protocol):
    """x -> the evaluation at x. x is the picture in the solver's units."""

    def __call__(self, x: Tensor, *, with_gradient: bool = True) -> Evaluation:
        """Evaluate at ``x``. Without ``with_gradient`` the gradient is an empty tensor."""
        ...


class EvaluateSample(Evaluate, Protocol):
    """An evaluation whose losses may use a random sample, which ``sample_index`` alone determines."""

    def __call__(self, x: Tensor, *, with_gradient: bool = True, sample_index: int = 0) -> Evaluation: ...


def in_floats(terms: Mapping[str, Tensor], total: Tensor | None = None) -> tuple[float, dict[str, float]]:
    """The total and each term as floats, in one transfer, which synchronises with a GPU only once.

    Args:
        terms: numbers, each as a tensor; all of one type.
        total: their sum; None computes it.
    """
    values = torch.stack(list(terms.values()))
    loss, *each = torch.cat([(values.sum() if total is None else total).view(1), values]).tolist()
    return loss, dict(zip(terms, each, strict=True))


LazyImage = Callable[[], Tensor]
"""Makes a picture on demand, so that large ones need not be in memory all at once."""

EvaluatorFactory = Callable[[LazyImage, Sequence[LazyImage]], EvaluateSample]
"""(content, styles), each at its size on a level -> the evaluation of pictures of the content's size."""


def autograd_evaluation(
    extract: Extract,
    objective: Objective,
    style_weights: Sequence[float],
    white_level: float = 1.0,
    regions: Regions = NONE,
) -> EvaluatorFactory:
    """The evaluation of an objective by autograd, for any encoder.

    Args:
        extract: the encoder.
        objective: what to evaluate.
        style_weights: a share for each style; they sum to 1.
        white_level: the value of white.
        regions: the masks of the style terms that have a region.
    """

    def prepare(content: LazyImage, styles: Sequence[LazyImage]) -> EvaluateSample:
        style_pictures = [style() for style in styles]
        picture = content()
        made = level_targets(
            picture, style_pictures, style_weights, extract=extract, objective=objective, regions=regions
        )
        guides = regions.guides(objective, size_of(picture))
        return evaluator(extract, objective, made, white_level, guides)

    return prepare


def with_tf32(prepare: EvaluatorFactory, *, tf32: bool) -> EvaluatorFactory:
    """``prepare`` with CUDA's float32 products in full precision or in TF32, whatever torch's global setting is."""

    def prepare_with_tf32(content: LazyImage, styles: Sequence[LazyImage]) -> EvaluateSample:
        with float32_products(tf32=tf32):
            evaluate = prepare(content, styles)

        def evaluate_at(x: Tensor, *, with_gradient: bool = True, sample_index: int = 0) -> Evaluation:
            with float32_products(tf32=tf32):
                return evaluate(x, with_gradient=with_gradient, sample_index=sample_index)

        return evaluate_at

    return prepare_with_tf32


def level_targets(
    content: Tensor,
    styles: Sequence[Tensor],
    style_weights: Sequence[float],
    *,
    extract: Extract,
    objective: Objective,
    regions: Regions = NONE,
) -> Targets:
    """The targets of the objective's terms, for pictures that already have the level's size."""
    c_layers, s_layers = content_layers(objective), style_layers(objective)
    with torch.inference_mode(False), torch.no_grad():
        return targets(
            objective,
            content,
            extract(content, c_layers) if c_layers else {},
            [extract(style, s_layers) for style in styles] if s_layers else [{} for _ in styles],
            lambda term: regions.shares(term, style_weights),
            [regions.style_guides(objective, number, size_of(style)) for number, style in enumerate(styles)],
        )


def evaluator(
    extract: Extract, objective: Objective, targets: Targets, white_level: float, guides: Guides | None = None
) -> EvaluateSample:
    """The evaluation of an objective at pictures stored in [0, white_level].

    Args:
        extract: the encoder, (image in [0, 1], layers) -> features.
        white_level: the value of white; the gradient is with respect to the stored values.
        guides: weights of the features, for the terms of regions.
    """
    needed = layers(objective)

    def evaluate_at(x: Tensor, *, with_gradient: bool = True, sample_index: int = 0) -> Evaluation:
        x = x.detach().requires_grad_(with_gradient)
        with torch.set_grad_enabled(with_gradient):
            image = x / white_level
            terms = evaluate(
                objective,
                targets,
                image,
                extract(image, needed) if needed else {},
                guides or {},
                sample_index,
            )
            total = torch.stack(list(terms.values())).sum()
        gradient = torch.autograd.grad(total, x)[0] if with_gradient else x.new_empty(0)
        loss, fetched = in_floats(
            {name: value.detach().sum() for name, value in terms.items()}, total.detach()
        )
        return Evaluation(loss, gradient.contiguous(), fetched)

    return evaluate_at
