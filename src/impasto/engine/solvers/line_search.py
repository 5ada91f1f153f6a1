"""A line search for the strong Wolfe conditions (Nocedal and Wright 2006, algorithms 3.5 and 3.6).

The safeguards (how far a step may grow, how close a trial may come to the ends of the bracket) are those of
torch.optim.LBFGS, so that presets can reproduce tools that use it. Scalars are Python floats, i.e. doubles: in
float32 the product of two slopes of a style loss overflows, and the interpolation fails.
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
    """The function along the line at step length ``t``; ``evaluation`` is None at step length 0."""

    t: float
    value: float
    slope: float
    evaluation: Evaluation | None


def _cubic_minimum(a: Trial, b: Trial, bounds: tuple[float, float] | None = None) -> float:
    """The minimiser of the cubic through two values and slopes, clamped to bounds (N&W equation 3.59)."""
    low, high = bounds or (min(a.t, b.t), max(a.t, b.t))
    if a.t == b.t:
        return (low + high) / 2.0
    d1 = a.slope + b.slope - 3.0 * (a.value - b.value) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0.0:  # also for NaN
        return (low + high) / 2.0
    d2 = math.sqrt(square)
    left, right = (a, b) if a.t < b.t else (b, a)
    curvature = right.slope - left.slope + 2.0 * d2
    if curvature == 0.0:
        return (low + high) / 2.0
    t = right.t - (right.t - left.t) * (right.slope + d2 - d1) / curvature
    return min(max(t, low), high)


@dataclass(frozen=True)
class _Line:
    """The function along a line from ``origin``, and the two strong Wolfe conditions on it."""

    at: Callable[[float], Evaluation]
    direction: Tensor
    origin: Trial

    def trial(self, t: float) -> Trial:
        evaluation = self.at(t)
        slope = float((evaluation.gradient * self.direction).sum())
        return Trial(t, evaluation.loss, slope, evaluation)

    def too_high(self, it: Trial) -> bool:
        """Whether the trial violates the first condition: sufficient decrease (Armijo)."""
        return it.value > self.origin.value + _SUFFICIENT_DECREASE * it.t * self.origin.slope

    def flat_enough(self, it: Trial) -> bool:
        """Whether the trial meets the second condition: the strong curvature condition."""
        return abs(it.slope) <= -_CURVATURE * self.origin.slope


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
    line = _Line(at, direction, Trial(0.0, loss, slope, None))
    found, trials = _bracket(line, first_step)
    return found if isinstance(found, Trial) else _zoom(line, found, trials)


def _bracket(line: _Line, first_step: float) -> tuple[Trial | tuple[Trial, Trial], int]:
    """Increase the step until a trial is acceptable, or two trials bracket an acceptable one (N&W algorithm 3.5).

    Returns:
        the acceptable trial or the two ends of the bracket, and the number of trials after the first.
    """
    previous, current = line.origin, line.trial(first_step)
    trials = 0
    while True:
        if line.too_high(current) or (trials > 1 and current.value >= previous.value):
            return (previous, current), trials
        if line.flat_enough(current):
            return current, trials
        if current.slope >= 0.0:
            return (previous, current), trials
        if trials >= _MOST_TRIALS:
            return (line.origin, current), trials
        nearest = current.t + 0.01 * (current.t - previous.t)
        following = line.trial(_cubic_minimum(previous, current, (nearest, 10.0 * current.t)))
        previous, current = current, following
        trials += 1


def _zoom(line: _Line, ends: tuple[Trial, Trial], trials: int) -> Trial:
    """Shrink the bracket until a trial in it is acceptable (N&W algorithm 3.6).

    Args:
        line: the function.
        ends: the ends of the bracket, in any order.
        trials: the number of trials so far, after the first.

    Returns:
        the acceptable trial, or the end with the lower value if the bracket gets too narrow or trials run out.
    """
    best, other = sorted(ends, key=lambda it: it.value)
    reach = float(line.direction.abs().max())
    stalled = False
    while trials < _MOST_TRIALS:
        width = max(best.t, other.t) - min(best.t, other.t)
        if width * reach < _NARROWEST:
            break
        t, stalled = _inside(best, other, stalled)
        current = line.trial(t)
        trials += 1
        if line.too_high(current) or current.value >= best.value:
            best, other = sorted((best, current), key=lambda it: it.value)
        else:
            if line.flat_enough(current):
                return current
            best, other = current, best if current.slope * (other.t - best.t) >= 0.0 else other
    return best


def _inside(best: Trial, other: Trial, stalled: bool) -> tuple[float, bool]:
    """The next step length to try within a bracket, and whether it lies near an end, where it shrinks little.

    Interpolation gives the step length. If that is at an end, or near an end twice in a row, the step length is moved
    inwards, to a tenth of the bracket from that end.

    Args:
        best, other: the ends of the bracket.
        stalled: whether the previous step length was near an end.
    """
    low, high = min(best.t, other.t), max(best.t, other.t)
    t = _cubic_minimum(best, other)
    margin = 0.1 * (high - low)
    near_an_end = min(high - t, t - low) < margin
    if not near_an_end:
        return t, False
    if stalled or t >= high or t <= low:
        return (high - margin if abs(t - high) < abs(t - low) else low + margin), False
    return t, True
