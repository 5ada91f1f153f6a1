"""L-BFGS over a picture, its passes in bands.

A solver takes one step at a time. It is given a point and a way to evaluate it, moves the point, and returns the
evaluation of where it was. All work is done in place or in bands: of a picture of 100 million pixels every copy is
more than a gigabyte. Its state is a flat dict of tensors as they are at the moment, no copies, so it can be written
to a file that holds nothing but tensors.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from impasto.engine.evaluation import Evaluate, Evaluation
from impasto.engine.solvers.history import HistoryBuffer, Storage
from impasto.engine.solvers.line_search import strong_wolfe
from impasto.engine.solvers.preconditioner import LARGEST, Spectrum
from impasto.engine.solvers.solver import BAND, Update
from impasto.engine.solvers.state import Chunked, State, clone
from impasto.exact import exact_type
from impasto.geometry import Size

_FILE_BYTES = 30e6  # that a history in a file takes of the memory
_QUARTERS = 8  # how often a first step is shortened


class LBFGS:
    """Limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.5), the two loops on coefficients.

    The direction is a sum of the remembered steps s, the gradient's changes y along them and the gradient. Its
    coefficients follow from their dot products alone (Chen, Wang and Zhou 2014, Large-scale L-BFGS using
    MapReduce), so that one pass over what is remembered finds those with the newest vectors, and a second adds the
    direction up. Both work in bands: no other vector of the picture's size is needed.

    Args:
        history: curvature pairs kept.
        history_bytes: memory for them. Where they would take more they are kept at half the precision, and fewer of
            them; where not even three fit, five are kept in a temporary file. 0 sets no limit.
        line_search: take the step that meets the strong Wolfe conditions, at the price of more evaluations.
        learning_rate: the step length without a line search.
        initial_step_rms: root mean square of the first step, in units of x; less where the loss would rise. 0 takes
            the first two steps of torch.optim.LBFGS, which established tools inherit: a tiny one of length
            learning_rate / |g|₁, and, when that one finds negative curvature, the raw gradient, which overshoots.
        bounds: keep every value within (low, high): the gradient is projected, so that the solver works on the
            picture that will be saved.
        spectral_exponent: p of the amplitudes f⁻ᵖ that steps have to begin with, for pictures of up to
            :data:`impasto.engine.solvers.preconditioner.LARGEST` pixels; 0 for steps along the gradient.
        tolerance: when the largest gradient entry, or change of x, is below, the solver reports its end. With an
            ``initial_step_rms`` this is for losses of 1 and more, and in proportion less for lower ones: there the
            gradient of what is left to be done is as small.
    """

    def __init__(
        self,
        *,
        history: int = 100,
        history_bytes: int = 0,
        line_search: bool = False,
        learning_rate: float = 1.0,
        initial_step_rms: float = 0.0,
        bounds: tuple[float, float] | None = None,
        spectral_exponent: float = 0.0,
        tolerance: tuple[float, float] = (1e-7, 1e-9),
    ) -> None:
        self.history = history
        self.history_bytes = history_bytes
        self.line_search = line_search
        self.learning_rate = learning_rate
        self.initial_step_rms = initial_step_rms
        self.bounds = bounds
        self.spectral_exponent = spectral_exponent
        self.tolerance = tolerance
        self.restart()

    def restart(self) -> None:
        # Row 0: the last gradient; then each pair's s and y; all of them in terms of u where there is a spectrum.
        self._vectors: HistoryBuffer | None = None
        self._spectrum: Spectrum | None = None
        self._pairs: list[int] = []  # their places, oldest first
        self._newest: int | None = None  # place of the step just taken; its y comes with the next gradient
        self._sy = torch.zeros(0, 0, dtype=torch.float64)  # dot products of the pairs, in the order of _pairs
        self._yy = torch.zeros(0, 0, dtype=torch.float64)
        self._known: Evaluation | None = None  # at the current x, when the line search already has it

    def resampled(self) -> None:
        # What is known of the curvature is as good as before, but along the newest step the gradient would go from
        # one loss's to another's.
        self._newest = None
        self._known = None

    def resize(self, size: Size) -> None:
        # Curvature does not carry over: the pairs belong to another space.
        self.restart()

    def best(self, x: Tensor) -> Tensor:
        return x

    def keeps(self, picture: int) -> tuple[int, Storage]:
        """How many pairs are kept for a picture of so many bytes, and how."""
        pair = 2 * picture
        if not self.history_bytes or self.history * pair <= self.history_bytes:
            return self.history, "full"
        fit = 2 * self.history_bytes // pair
        if fit < min(3, self.history):
            return min(5, self.history), "file"
        return min(self.history, fit), "half"

    def bytes(self, size: Size, iterations: int) -> float:
        picture = 12 * math.prod(size)
        pairs, storage = self.keeps(picture)
        if storage == "file":
            return _FILE_BYTES
        rows = 1 + 2 * min(pairs + 1, iterations)
        # Trial points and their gradients.
        return picture * (rows * (0.5 if storage == "half" else 1.0) + (3 if self.line_search else 0))

    def step(self, x: Tensor, evaluate: Evaluate) -> Update:
        at = self._known or evaluate(x)
        self._known = None
        if not math.isfinite(at.loss):
            return Update(x, at.loss, at.terms, "the loss is not a finite number")
        point, gradient = x.view(-1), at.gradient.reshape(-1)
        first = self._vectors is None
        if self._vectors is None:
            self._begin(x)
        vectors, spectrum = self._vectors, self._spectrum
        assert vectors is not None
        self._project(point, gradient)
        stays: Tensor | None = None
        if spectrum is not None:
            stays = gradient.view_as(x) == 0.0
            spectrum.apply(gradient.view_as(x))
        scale = min(1.0, max(0.0, at.loss)) if self.initial_step_rms else 1.0
        largest, total, products = self._take_in(vectors, gradient, scale)
        if largest <= scale * self.tolerance[0]:
            return Update(x, at.loss, at.terms, "the gradient is zero", converged=True)
        slope = self._direction(vectors, gradient, products)
        direction = gradient.view_as(x)
        # Along the raw gradient it says nothing of how far the loss may fall: the first move's length is another.
        if slope >= 0.0 or (
            slope > -scale * self.tolerance[1] and (self._pairs or not self.initial_step_rms)
        ):
            return Update(x, at.loss, at.terms, "no direction leads downhill")
        if spectrum is not None and stays is not None:
            spectrum.apply(direction)
            direction.masked_fill_(stays, 0.0)
        length = self._length(direction, total, first=first)
        if self.line_search:
            trial = strong_wolfe(
                lambda t: evaluate(self._clamped(x + t * direction)), at.loss, slope, direction, length
            )
            length, self._known = trial.t, trial.evaluation
        elif first and self.initial_step_rms:
            length = self._falling(x, direction, length, at.loss, evaluate)
        moved = self._move(vectors, x, direction, length)
        ended = "the step is zero" if moved <= self.tolerance[1] else None
        return Update(x, at.loss, at.terms, ended, moved)

    def _begin(self, x: Tensor) -> None:
        pairs, storage = self.keeps(x.nbytes)
        self._vectors = HistoryBuffer(1 + 2 * (pairs + 1), x, storage=storage)
        height, width = x.shape[-2:]
        if self.spectral_exponent and height * width <= LARGEST:
            self._spectrum = Spectrum((height, width), self.spectral_exponent, x)

    def _take_in(self, vectors: HistoryBuffer, gradient: Tensor, scale: float) -> tuple[float, float, Tensor]:
        """Complete the newest pair, and multiply.

        Args:
            scale: of the loss, for how little curvature is none.

        Returns:
            the gradient's largest entry, the sum of its entries' sizes, and its dot products with each pair's s, with
            each pair's y and with itself, in this order, in float64.
        """
        new, places = self._newest, [*self._pairs]
        if new is not None:
            places.append(new)
        used = 1 + 2 * (1 + max(places, default=-1))
        largest, sums = gradient.new_zeros(()), []
        products = torch.zeros(used + 1, 3, dtype=exact_type(gradient.device), device=gradient.device)
        for number, band in enumerate(vectors.bands):
            g = gradient[band]
            if new is not None:
                vectors.write(number, _y(new), g - vectors.read(number, 1)[0])
            vectors.write(number, 0, g)
            rows = vectors.read(number, used)
            columns = [rows[_s(new)], rows[_y(new)], g] if new is not None else [g]
            beside = torch.stack(columns, 1)
            products[:used, 3 - len(columns) :] += rows @ beside
            products[used, 2] += g @ g
            largest = torch.maximum(largest, g.abs().max())
            sums.append(g.abs().sum())
        self._newest = None
        # One transfer, which is all that the processor waits for a GPU here.
        extremes = torch.stack([largest, torch.stack(sums).sum()]).to(products.dtype)
        fetched = torch.cat([products.view(-1), extremes]).cpu().double()
        exact = fetched[:-2].view_as(products)
        if new is not None:
            self._remember(new, exact, vectors.rows // 2 - 1, 1e-10 * scale)
        ours = [*map(_s, self._pairs), *map(_y, self._pairs), used]
        return float(fetched[-2]), float(fetched[-1]), exact[ours, 2]

    def _remember(self, new: int, products: Tensor, limit: int, least: float) -> None:
        """Take the pair at place ``new`` among those kept, given every row's product with its s and its y."""
        # Only positive curvature keeps the matrix positive definite.
        if float(products[_y(new), 0]) <= least:
            return
        s, y = [_s(place) for place in (*self._pairs, new)], [_y(place) for place in (*self._pairs, new)]
        count = len(s)
        sy, yy = (torch.zeros(count, count, dtype=torch.float64) for _ in range(2))
        sy[:-1, :-1], yy[:-1, :-1] = self._sy, self._yy
        sy[-1], sy[:, -1] = products[y, 0], products[s, 1]
        yy[-1] = yy[:, -1] = products[y, 1]
        self._pairs.append(new)
        oldest = max(0, count - limit)
        del self._pairs[:oldest]
        self._sy, self._yy = sy[oldest:, oldest:], yy[oldest:, oldest:]

    def _direction(self, vectors: HistoryBuffer, gradient: Tensor, products: Tensor) -> float:
        """Turns the gradient into −H g (N&W algorithm 7.4), in place.

        Args:
            products: of the gradient with each s, each y and itself.

        Returns:
            the slope along it, gᵀ (−H g).
        """
        k = len(self._pairs)
        sg, yg = products[:k], products[k : 2 * k]
        # −H g = Σ by_s s + Σ by_y y + by_g g
        by_s, by_y = torch.zeros(k, dtype=torch.float64), torch.zeros(k, dtype=torch.float64)
        by_g = -1.0
        alphas = [0.0] * k
        for i in reversed(range(k)):
            alphas[i] = float((self._sy[i] @ by_y + by_g * sg[i]) / self._sy[i, i])
            by_y[i] -= alphas[i]
        if k:
            scale = float(self._sy[-1, -1] / self._yy[-1, -1])
            by_y *= scale
            by_g *= scale
        for i in range(k):
            beta = float((self._sy[:, i] @ by_s + self._yy[i] @ by_y + by_g * yg[i]) / self._sy[i, i])
            by_s[i] += alphas[i] - beta
        used = 1 + 2 * (1 + max(self._pairs, default=-1))
        weights = torch.zeros(used, dtype=torch.float64)
        weights[[_s(place) for place in self._pairs]] = by_s
        weights[[_y(place) for place in self._pairs]] = by_y
        weights = weights.to(gradient.dtype).to(gradient.device, non_blocking=True)
        for number, band in enumerate(vectors.bands):
            g = gradient[band]
            # Values at a bound stay there until the gradient points inwards; where it is filtered, step() sees to it.
            stays = g == 0.0 if self.bounds is not None and self._spectrum is None else None
            g *= by_g
            if k:
                g += weights @ vectors.read(number, used)
            if stays is not None:
                g.masked_fill_(stays, 0.0)
        return float(by_s @ sg + by_y @ yg + by_g * products[-1])

    def _move(self, vectors: HistoryBuffer, x: Tensor, direction: Tensor, length: float) -> float:
        """x + length · direction within the bounds, in place, ``direction`` too; the largest change."""
        place = next(place for place in range(len(self._pairs) + 1) if place not in self._pairs)
        point, step = x.view(-1), direction.view(-1)
        largest = x.new_zeros(())
        for band in vectors.bands:
            following = self._clamped(point[band] + length * step[band])
            step[band] = following - point[band]
            point[band] = following
            largest = torch.maximum(largest, step[band].abs().max())
        if self._spectrum is not None:
            self._spectrum.undo(direction)
        for number, band in enumerate(vectors.bands):
            vectors.write(number, _s(place), step[band])
        self._newest = place
        return float(largest)

    def _project(self, x: Tensor, gradient: Tensor) -> None:
        """Takes out of the gradient, in place, the entries that push a value out of its bounds."""
        if self.bounds is None:
            return
        low, high = self.bounds
        for point, g in zip(torch.split(x, BAND), torch.split(gradient, BAND), strict=True):
            stuck = ((point <= low) & (g > 0)) | ((point >= high) & (g < 0))
            g.masked_fill_(stuck, 0.0)

    def _clamped(self, x: Tensor) -> Tensor:
        return x if self.bounds is None else x.clamp(*self.bounds)

    def _length(self, direction: Tensor, total: float, *, first: bool) -> float:
        """How far to go first, for a gradient of that sum of sizes."""
        if not self.initial_step_rms:
            return self.learning_rate * (min(1.0, 1.0 / total) if first else 1.0)
        if not self._pairs:
            return self.initial_step_rms * math.sqrt(direction.numel()) / float(direction.norm())
        return self.learning_rate

    def _falling(self, x: Tensor, direction: Tensor, length: float, loss: float, evaluate: Evaluate) -> float:
        """``length``, or the first quarter, sixteenth … of it by which the loss falls: it may be too long."""
        for _ in range(_QUARTERS):
            if evaluate(self._clamped(x + length * direction), with_gradient=False).loss <= loss:
                break
            length /= 4.0
        return length

    def state(self) -> dict[str, Tensor | Chunked]:
        if self._vectors is None:
            return {}
        newest = [] if self._newest is None else [self._newest]
        # Every row in its place: sums come in the order of the rows, and shall be the same to the last bit.
        return {
            **self._vectors.state(1 + 2 * (1 + max([*self._pairs, *newest], default=-1))),
            "places": torch.tensor([*self._pairs, *newest]),
            "sy": self._sy,
            "yy": self._yy,
        }

    def restore(self, state: State, x: Tensor) -> None:
        self.restart()
        if not state:
            return
        self._begin(x)
        assert self._vectors is not None
        self._vectors.restore(state["values"], clone(state["scales"]), clone(state["band"]))
        self._sy, self._yy = clone(state["sy"]), clone(state["yy"])
        places = clone(state["places"]).tolist()
        self._pairs, newest = places[: len(self._sy)], places[len(self._sy) :]
        self._newest = newest[0] if newest else None


def _s(place: int) -> int:
    """The row of a pair's s among the vectors."""
    return 1 + 2 * place


def _y(place: int) -> int:
    """The row of a pair's y among the vectors."""
    return 2 + 2 * place
