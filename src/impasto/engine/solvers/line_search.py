"""A line search for the strong Wolfe conditions (Nocedal and Wright 2006, algorithms 3.5 and 3.6).

The safeguards (how far a step may grow, how close a trial may come to the ends of the bracket) are those of
torch.optim.LBFGS, so that presets can follow a tool that uses it. Scalars are Python floats, i.e. doubles:
in float32 the product of two slopes of a style loss overflows, and the interpolation is lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from impasto.engine.evaluation import Evaluation

_SUFFICIENT_DECREASE = 1e-4  # c₁
_CURVATURE = 0.9  # c₂
_MOST_TRIALS = 25
_NARROWEST = 1e-9  # bracket width times the largest entry of d at which to stop


@dataclass(frozen=True)
class Trial:
    """The function along the line at step length ``t``; ``evaluation`` is None where nothing new was evaluated."""

    t: float
    value: float
    slope: float
    evaluation: Evaluation | None


def _cubic_minimum(a: Trial, b: Trial, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through two values and slopes is least, kept within bounds (N&W equation 3.59)."""
    low, high = bounds or (min(a.t, b.t), max(a.t, b.t))
    if a.t == b.t:
        return (low + high) / 2.0
    d1 = a.slope + b.slope - 3.0 * (a.value - b.value) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0.0:  # also when not a number
        return (low + high) / 2.0
    d2 = math.sqrt(square)
    left, right = (a, b) if a.t < b.t else (b, a)
    curvature = right.slope - left.slope + 2.0 * d2
    if curvature == 0.0:
        return (low + high) / 2.0
    t = right.t - (right.t - left.t) * (right.slope + d2 - d1) / curvature
    return min(max(t, low), high)


def strong_wolfe(
    at: Callable[[float], Evaluation], loss: float, slope: float, direction: Tensor, first_step: float
) -> Trial:
    """A step length along ``direction`` that satisfies the strong Wolfe conditions, or the best one found.

    Args:
        at: evaluates the function at a step length along the line.
        loss, slope: the function and its derivative along the line at step 0.
        direction: d, shaped as the gradient; a descent direction.
        first_step: the first step length tried.
    """

    def trial(t: float) -> Trial:
        evaluation = at(t)
        along = float((evaluation.gradient * direction).sum())
        return Trial(t, evaluation.loss, along, evaluation)

    reach = float(direction.abs().max())
    origin = Trial(0.0, loss, slope, None)

    def too_high(it: Trial) -> bool:
        return it.value > origin.value + _SUFFICIENT_DECREASE * it.t * origin.slope

    def flat_enough(it: Trial) -> bool:
        return abs(it.slope) <= -_CURVATURE * origin.slope

    # Bracket: step out until an interval surely holds an acceptable point.
    previous, current = origin, trial(first_step)
    trials = 0
    while True:
        if too_high(current) or (trials > 1 and current.value >= previous.value):
            bracket = [previous, current]
            break
        if flat_enough(current):
            return current
        if current.slope >= 0.0:
            bracket = [previous, current]
            break
        if trials >= _MOST_TRIALS:
            bracket = [origin, current]
            break
        nearest = current.t + 0.01 * (current.t - previous.t)
        following = trial(_cubic_minimum(previous, current, (nearest, 10.0 * current.t)))
        previous, current = current, following
        trials += 1

    # Zoom: shrink the bracket, its lower end always the best acceptable-so-far point.
    bracket.sort(key=lambda it: it.value)
    stalled = False
    while trials < _MOST_TRIALS:
        best, other = bracket
        low, high = min(best.t, other.t), max(best.t, other.t)
        if (high - low) * reach < _NARROWEST:
            break
        t = _cubic_minimum(best, other)
        # Twice in a row near an end means that interpolation makes no progress: take a tenth instead.
        margin = 0.1 * (high - low)
        if min(high - t, t - low) < margin:
            if stalled or t >= high or t <= low:
                t = high - margin if abs(t - high) < abs(t - low) else low + margin
                stalled = False
            else:
                stalled = True
        else:
            stalled = False
        current = trial(t)
        trials += 1
        if too_high(current) or current.value >= best.value:
            bracket = sorted([best, current], key=lambda it: it.value)
        else:
            if flat_enough(current):
                return current
            bracket = [current, best if current.slope * (other.t - best.t) >= 0.0 else other]
    return bracket[0]
