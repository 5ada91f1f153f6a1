"""L-BFGS on a picture, computed in bands.

The solver takes one step at a time: it evaluates the objective at a point, moves the point, and returns the
evaluation of the old point. It works in place or in bands, since a single copy of a picture of 100 million pixels
takes more than a gigabyte. Its state is a flat dict of the current tensors, without copies, so that it can be written
to a file of tensors.
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

_FILE_BYTES = 30e6  # memory of a history that is stored in a file
_QUARTERS = 8  # largest number of times that a first step is divided by 4


class LBFGS:
    """Limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.5), with the two-loop recursion on coefficients.

    The direction is a linear combination of the stored steps s, of the gradient changes y along them, and of the
    gradient. Its coefficients follow from the dot products of these vectors (Chen, Wang and Zhou 2014, Large-scale
    L-BFGS using MapReduce). One pass over the history computes the dot products with the newest vectors; a second
    pass sums the direction. Both passes work in bands: no other vector of the picture's size is needed.

    Args:
        history: largest number of curvature pairs.
        history_bytes: memory for the pairs. If they take more, they are stored in half precision, and fewer of them;
            if not even three fit, five are stored in a temporary file. 0 sets no limit.
        line_search: take a step that meets the strong Wolfe conditions, at the cost of more evaluations.
        learning_rate: the step length without a line search.
        initial_step_rms: root mean square of the first step, in units of x; reduced where the loss would rise. 0
            takes the first two steps of torch.optim.LBFGS, as established tools do: a tiny step of length
            learning_rate / |g|₁ and, when that step finds negative curvature, the raw gradient, which overshoots.
        bounds: keep every value within (low, high). The gradient is projected, so that the solver optimises the
            picture that will be saved.
        spectral_exponent: p of the amplitudes f⁻ᵖ of the first steps, for pictures of up to
            :data:`impasto.engine.solvers.preconditioner.LARGEST` pixels; 0 for steps along the gradient.
        tolerance: the solver ends when the largest gradient entry, or the largest change of x, is below. With an
            ``initial_step_rms``, the values hold for losses of 1 and above. Smaller losses have smaller gradients
            near the optimum, so the values are then multiplied by the loss.
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
        # Row 0: the last gradient; then s and y of each pair. With a preconditioner all rows are in terms of u.
        self._vectors: HistoryBuffer | None = None
        self._spectrum: Spectrum | None = None
        self._pairs: list[int] = []  # slots of the pairs, oldest first
        self._newest: int | None = None  # slot of the last step; its y follows from the next gradient
        self._sy = torch.zeros(0, 0, dtype=torch.float64)  # dot products of the pairs, in the order of _pairs
        self._yy = torch.zeros(0, 0, dtype=torch.float64)
        self._known: Evaluation | None = None  # at the current x, where the line search has computed it

    def resampled(self) -> None:
        # The pairs stay valid. The newest step cannot give a pair: its gradient change would mix two losses.
        self._newest = None
        self._known = None

    def resize(self, size: Size) -> None:
        # Curvature pairs are vectors of the old size, and do not carry over.
        self.restart()

    def best(self, x: Tensor) -> Tensor:
        return x

    def plan_history(self, picture: int) -> tuple[int, Storage]:
        """The number of pairs stored for a picture of that many bytes, and the kind of storage."""
        pair = 2 * picture
        if not self.history_bytes or self.history * pair <= self.history_bytes:
            return self.history, "full"
        fit = 2 * self.history_bytes // pair
        if fit < min(3, self.history):
            return min(5, self.history), "file"
        return min(self.history, fit), "half"

    def bytes(self, size: Size, iterations: int) -> float:
        picture = 12 * math.prod(size)
        pairs, storage = self.plan_history(picture)
        if storage == "file":
            return _FILE_BYTES
        rows = 1 + 2 * min(pairs + 1, iterations)
        # A line search needs trial points and their gradients besides.
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
        fixed: Tensor | None = None
        if spectrum is not None:
            fixed = gradient.view_as(x) == 0.0
            spectrum.apply(gradient.view_as(x))
        scale = min(1.0, max(0.0, at.loss)) if self.initial_step_rms else 1.0
        largest, total, products = self._update_products(vectors, gradient, scale)
        if largest <= scale * self.tolerance[0]:
            return Update(x, at.loss, at.terms, "the gradient is zero", converged=True)
        slope = self._direction(vectors, gradient, products)
        direction = gradient.view_as(x)
        # Without pairs the direction is the raw gradient, and its slope is no measure of the decrease to expect,
        # since initial_step_rms sets the length of the first step.
        if slope >= 0.0 or (
            slope > -scale * self.tolerance[1] and (self._pairs or not self.initial_step_rms)
        ):
            return Update(x, at.loss, at.terms, "no direction leads downhill")
        if spectrum is not None and fixed is not None:
            spectrum.apply(direction)
            direction.masked_fill_(fixed, 0.0)
        length = self._length(direction, total, first=first)
        if self.line_search:
            trial = strong_wolfe(
                lambda t: evaluate(self._clamped(x + t * direction)), at.loss, slope, direction, length
            )
            length, self._known = trial.t, trial.evaluation
        elif first and self.initial_step_rms:
            length = self._shortened_length(x, direction, length, at.loss, evaluate)
        moved = self._move(vectors, x, direction, length)
        ended = "the step is zero" if moved <= self.tolerance[1] else None
        return Update(x, at.loss, at.terms, ended, moved)

    def _begin(self, x: Tensor) -> None:
        pairs, storage = self.plan_history(x.nbytes)
        self._vectors = HistoryBuffer(1 + 2 * (pairs + 1), x, storage=storage)
        height, width = x.shape[-2:]
        if self.spectral_exponent and height * width <= LARGEST:
            self._spectrum = Spectrum((height, width), self.spectral_exponent, x)

    def _update_products(
        self, vectors: HistoryBuffer, gradient: Tensor, scale: float
    ) -> tuple[float, float, Tensor]:
        """Complete the newest pair, and compute the gradient's dot products.

        Args:
            scale: of the loss; it scales the threshold below which curvature counts as zero.

        Returns:
            the gradient's largest absolute entry, its 1-norm, and its dot products with each pair's s, with each
            pair's y and with itself, in this order, in float64.
        """
        new, slots = self._newest, [*self._pairs]
        if new is not None:
            slots.append(new)
        used = 1 + 2 * (1 + max(slots, default=-1))
        largest, sums = gradient.new_zeros(()), []
        products = torch.zeros(used + 1, 3, dtype=exact_type(gradient.device), device=gradient.device)
        for number, band in enumerate(vectors.bands):
            g = gradient[band]
            if new is not None:
                vectors.write(number, _y(new), g - vectors.read(number, 1)[0])
            vectors.write(number, 0, g)
            rows = vectors.read(number, used)
            columns = [rows[_s(new)], rows[_y(new)], g] if new is not None else [g]
            products[:used, 3 - len(columns) :] += rows @ torch.stack(columns, 1)
            products[used, 2] += g @ g
            largest = torch.maximum(largest, g.abs().max())
            sums.append(g.abs().sum())
        self._newest = None
        # One transfer: the only synchronisation with a GPU here.
        extremes = torch.stack([largest, torch.stack(sums).sum()]).to(products.dtype)
        fetched = torch.cat([products.view(-1), extremes]).cpu().double()
        exact = fetched[:-2].view_as(products)
        if new is not None:
            self._store_pair(new, exact, vectors.rows // 2 - 1, 1e-10 * scale)
        in_use = [*map(_s, self._pairs), *map(_y, self._pairs), used]
        return float(fetched[-2]), float(fetched[-1]), exact[in_use, 2]

    def _store_pair(self, new: int, products: Tensor, limit: int, least: float) -> None:
        """Add the pair in slot ``new``, given every row's dot product with its s and its y.

        A pair whose curvature sᵀ y is at most ``least`` is skipped.
        """
        # Only positive curvature preserves positive definiteness.
        if float(products[_y(new), 0]) <= least:
            return
        s, y = [_s(slot) for slot in (*self._pairs, new)], [_y(slot) for slot in (*self._pairs, new)]
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
        """Turn the gradient into the direction −H g (N&W algorithm 7.4), in place.

        Args:
            products: dot products of the gradient with each s, each y and itself.

        Returns:
            the slope along the direction, gᵀ (−H g).
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
        weights[[_s(slot) for slot in self._pairs]] = by_s
        weights[[_y(slot) for slot in self._pairs]] = by_y
        weights = weights.to(gradient.dtype).to(gradient.device, non_blocking=True)
        for number, band in enumerate(vectors.bands):
            g = gradient[band]
            # Values at a bound stay there until the gradient points inwards. With a preconditioner, step() does this.
            fixed = g == 0.0 if self.bounds is not None and self._spectrum is None else None
            g *= by_g
            if k:
                g += weights @ vectors.read(number, used)
            if fixed is not None:
                g.masked_fill_(fixed, 0.0)
        return float(by_s @ sg + by_y @ yg + by_g * products[-1])

    def _move(self, vectors: HistoryBuffer, x: Tensor, direction: Tensor, length: float) -> float:
        """Move x by length · direction within the bounds, in place; ``direction`` becomes the actual change.

        Returns:
            the largest absolute change.
        """
        free_slot = next(slot for slot in range(len(self._pairs) + 1) if slot not in self._pairs)
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
            vectors.write(number, _s(free_slot), step[band])
        self._newest = free_slot
        return float(largest)

    def _project(self, x: Tensor, gradient: Tensor) -> None:
        """Set to zero, in place, the gradient entries that would push a value out of its bounds."""
        if self.bounds is None:
            return
        low, high = self.bounds
        for point, g in zip(torch.split(x, BAND), torch.split(gradient, BAND), strict=True):
            outward = ((point <= low) & (g > 0)) | ((point >= high) & (g < 0))
            g.masked_fill_(outward, 0.0)

    def _clamped(self, x: Tensor) -> Tensor:
        return x if self.bounds is None else x.clamp(*self.bounds)

    def _length(self, direction: Tensor, total: float, *, first: bool) -> float:
        """The step length to try first, for a gradient with 1-norm ``total``."""
        if not self.initial_step_rms:
            return self.learning_rate * (min(1.0, 1.0 / total) if first else 1.0)
        if not self._pairs:
            return self.initial_step_rms * math.sqrt(direction.numel()) / float(direction.norm())
        return self.learning_rate

    def _shortened_length(
        self, x: Tensor, direction: Tensor, length: float, loss: float, evaluate: Evaluate
    ) -> float:
        """``length``, divided by 4 until the loss does not rise, at most ``_QUARTERS`` times."""
        for _ in range(_QUARTERS):
            if evaluate(self._clamped(x + length * direction), with_gradient=False).loss <= loss:
                break
            length /= 4.0
        return length

    def state(self) -> dict[str, Tensor | Chunked]:
        if self._vectors is None:
            return {}
        newest = [] if self._newest is None else [self._newest]
        # Rows keep their slots: the order of the rows is the order of summation, and resuming must be bit-identical.
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
        slots = clone(state["places"]).tolist()
        self._pairs, newest = slots[: len(self._sy)], slots[len(self._sy) :]
        self._newest = newest[0] if newest else None


def _s(slot: int) -> int:
    """The buffer's row of a pair's s."""
    return 1 + 2 * slot


def _y(slot: int) -> int:
    """The buffer's row of a pair's y."""
    return 2 + 2 * slot
