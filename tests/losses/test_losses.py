"""Each loss against a slow twin that follows the formula, and against finite differences."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from impasto.losses import content, smoothness
from impasto.losses.gram import Gram
from impasto.losses.newton_schulz import NewtonSchulzWasserstein, newton_schulz_root


def _features(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _slow_gram(f: Tensor) -> Tensor:
    channels, height, width = f.shape
    gram = torch.zeros(channels, channels, dtype=torch.float64)
    for i, j, y, x in itertools.product(range(channels), range(channels), range(height), range(width)):
        gram[i, j] += f[i, y, x] * f[j, y, x]
    return gram


def test_content_losses_are_their_formulas() -> None:
    f, p = _features(2, 3, 4, 5), _features(2, 3, 4, 5, seed=1)
    for n in range(2):
        squares = sum(
            (float(f[n, c, y, x]) - float(p[n, c, y, x])) ** 2
            for c, y, x in itertools.product(range(3), range(4), range(5))
        )
        energy = sum(float(v) ** 2 for v in p[n].flatten())
        assert float(content.half_sum(f, p)[n]) == pytest.approx(squares / 2, rel=1e-12)
        assert float(content.mean(f, p)[n]) == pytest.approx(squares / 60, rel=1e-12)
        assert float(content.share(f, p)[n]) == pytest.approx(squares / energy, rel=1e-12)


@pytest.mark.parametrize(
    "loss", [content.mean, content.half_sum, content.share], ids=["mean", "half-sum", "share"]
)
def test_content_gradients(loss: object) -> None:
    assert gradcheck(loss, (_features(1, 2, 3, 3).requires_grad_(), _features(1, 2, 3, 3, seed=1)))


@pytest.mark.parametrize("reduce", ["sum", "mean", "share"])
@pytest.mark.parametrize("divide", ["nothing", "pixels", "elements"])
def test_gram_is_its_formula(divide: str, reduce: str) -> None:
    loss = Gram(divide=divide, reduce=reduce)  # type: ignore[arg-type]
    f, a = _features(1, 3, 4, 5), _features(1, 3, 2, 6, seed=1)
    divisors = {"nothing": (1, 1), "pixels": (20, 12), "elements": (60, 36)}[divide]
    g, wanted = _slow_gram(f[0]) / divisors[0], _slow_gram(a[0]) / divisors[1]
    difference = ((g - wanted) ** 2).sum()
    expected = {
        "sum": difference,
        "mean": difference / 9,
        "share": difference / (wanted**2).sum(),
    }[reduce]
    assert float(loss.distance(loss.summarise(f), loss.summarise(a))) == pytest.approx(
        float(expected), rel=1e-12
    )


@pytest.mark.parametrize("reduce", ["sum", "mean", "share"])
@pytest.mark.parametrize("divide", ["nothing", "pixels", "elements"])
def test_gram_gradient(divide: str, reduce: str) -> None:
    loss = Gram(divide=divide, reduce=reduce)  # type: ignore[arg-type]
    target = loss.summarise(_features(1, 3, 2, 4, seed=1))

    def value(f: Tensor) -> Tensor:
        return loss.distance(loss.summarise(f), target)

    assert gradcheck(value, (_features(1, 3, 3, 3).requires_grad_(),))


def test_the_textbook_objective_is_the_papers() -> None:
    """½ Σ (F − P)², Σ (G − A)²: the preset's two losses, weight 1, unnormalised."""
    from impasto.assembly.objective import CONTENT_LOSSES, STYLE_LOSSES
    from impasto.recipes.presets import resolve

    recipe = resolve("textbook")
    assert set(recipe.style_layers.values()) == {1.0}
    f, p = _features(1, 3, 4, 5), _features(1, 3, 4, 5, seed=1)
    style = STYLE_LOSSES[recipe.style_loss]
    assert float(CONTENT_LOSSES[recipe.content_loss](f, p)) == pytest.approx(
        float(0.5 * ((f - p) ** 2).sum()), rel=1e-12
    )
    assert float(style.distance(style.summarise(f), style.summarise(p))) == pytest.approx(
        float(((_slow_gram(f[0]) - _slow_gram(p[0])) ** 2).sum()), rel=1e-12
    )


def test_the_gatys_objective_is_the_papers() -> None:
    """E = Σ (G − A)² / (4 C² (HW)²), each layer a fifth, for pictures of one size."""
    from impasto.assembly.objective import STYLE_LOSSES
    from impasto.recipes.presets import resolve

    recipe = resolve("gatys")
    f, a = _features(1, 3, 4, 5), _features(1, 3, 4, 5, seed=1)
    expected = ((_slow_gram(f[0]) - _slow_gram(a[0])) ** 2).sum() / (4 * 3**2 * 20**2) / 5
    style = STYLE_LOSSES[recipe.style_loss]
    ours = recipe.style_layers["relu3_1"] * style.distance(style.summarise(f), style.summarise(a))
    assert float(ours) == pytest.approx(float(expected), rel=1e-12)
    assert recipe.content_weight / recipe.style_weight == pytest.approx(1e-3)


def _slow_root(a: Tensor) -> Tensor:
    norm = a.square().sum().sqrt()
    eye = torch.eye(len(a), dtype=a.dtype)
    y, z = a / norm, eye.clone()
    for _ in range(12):
        t = 0.5 * (3 * eye - z @ y)
        y, z = y @ t, t @ z
    return y * norm.sqrt()


def test_newton_schulz_wasserstein_is_its_formula() -> None:
    loss = NewtonSchulzWasserstein()
    f, a = _features(1, 4, 5, 6), _features(1, 4, 7, 3, seed=1)

    def fitted(x: Tensor) -> tuple[Tensor, Tensor]:
        flat = x[0].flatten(1)
        mean = flat.mean(1)
        return mean, flat @ flat.T / flat.shape[1] - mean.outer(mean) + 1e-4 * torch.eye(4)

    (m, k), (ms, ks) = fitted(f), fitted(a)
    r = _slow_root(ks)
    expected = ((m - ms) ** 2).mean() + (ks + k - 2 * _slow_root(r @ k @ r)).diag().mean()
    ours = loss.distance(loss.summarise(f), loss.summarise(a))
    assert float(ours) == pytest.approx(float(expected), rel=1e-10)


def test_newton_schulz_backward_is_the_lyapunov_iteration() -> None:
    a = _features(5, 5, seed=2)
    a = (a @ a.T + 0.5 * torch.eye(5)).requires_grad_()
    upstream = _features(5, 5, seed=3)
    root = newton_schulz_root(a)
    (ours,) = torch.autograd.grad((root * upstream).sum(), a)
    s = root.detach()
    norm = s.square().sum().sqrt()
    x, q, eye = s / norm, upstream / norm, torch.eye(5, dtype=torch.float64)
    for step in range(12):
        e = 3 * eye - x @ x
        q = 0.5 * (q @ e - x.T @ (x.T @ q - q @ x))
        if step < 11:
            x = 0.5 * x @ e
    torch.testing.assert_close(ours, q / 2, rtol=1e-12, atol=1e-14)
    # On a well-conditioned matrix twelve steps converge, to the solution of S X + X S = upstream.
    torch.testing.assert_close(s @ s, a.detach(), rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(s @ ours + ours @ s, upstream, rtol=1e-3, atol=1e-4)


def test_smoothness_losses_are_their_formulas() -> None:
    image = _features(1, 3, 4, 5)
    x = image[0] * 255
    horizontal = [
        abs(float(x[c, i, j + 1] - x[c, i, j])) for c in range(3) for i in range(4) for j in range(4)
    ]
    vertical = [abs(float(x[c, i + 1, j] - x[c, i, j])) for c in range(3) for i in range(3) for j in range(5)]
    assert float(smoothness.absolute_sum(image)) == pytest.approx(sum(horizontal) + sum(vertical))
    mean = (sum(horizontal) / len(horizontal) + sum(vertical) / len(vertical)) / 2
    assert float(smoothness.absolute_mean(image)) == pytest.approx(mean)


def test_nine_point_is_its_formula() -> None:
    image = _features(1, 3, 4, 5)

    def at(c: int, i: int, j: int) -> float:
        return float(image[0, c, min(max(i, 0), 3), min(max(j, 0), 4)])

    def mean_square(di: int, dj: int, rows: range, columns: range) -> float:
        values = [(at(c, i + di, j + dj) - at(c, i, j)) ** 2 for c in range(3) for i in rows for j in columns]
        return sum(values) / len(values)

    straight = mean_square(0, 1, range(4), range(5)) + mean_square(1, 0, range(4), range(5))
    slanted = mean_square(1, 1, range(-1, 4), range(-1, 5)) + mean_square(1, -1, range(-1, 4), range(6))
    expected = 2 * (straight / 3 + slanted / 12)
    assert float(smoothness.nine_point(image)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("loss", smoothness.SMOOTHNESS_LOSSES.values(), ids=smoothness.SMOOTHNESS_LOSSES)
def test_smoothness_gradients(loss: object) -> None:
    assert gradcheck(loss, (_features(1, 3, 4, 4).requires_grad_(),))


@pytest.mark.parametrize("loss", smoothness.SMOOTHNESS_LOSSES.values(), ids=smoothness.SMOOTHNESS_LOSSES)
def test_a_flat_picture_is_smooth(loss: object) -> None:
    assert float(loss(torch.full((1, 3, 5, 4), 0.3))) == 0.0  # type: ignore[operator]


@pytest.mark.parametrize(
    "loss", [Gram(), Gram("elements"), Gram("nothing", "sum"), NewtonSchulzWasserstein()]
)
def test_style_losses_of_a_batch_are_those_of_its_pictures(loss: Gram) -> None:
    f, a = _features(3, 4, 5, 6), _features(3, 4, 6, 5, seed=1)
    together = loss.distance(loss.summarise(f), loss.summarise(a))
    for n in range(3):
        alone = loss.distance(loss.summarise(f[n : n + 1]), loss.summarise(a[n : n + 1]))
        assert float(together[n]) == pytest.approx(float(alone), rel=1e-9)


@pytest.mark.parametrize("loss", [Gram(), Gram("elements", "mean"), Gram(reduce="share")])
def test_equal_statistics_cost_nothing(loss: Gram) -> None:
    f = _features(1, 4, 6, 6)
    assert float(loss.distance(loss.summarise(f), loss.summarise(f.flip(-1)))) == pytest.approx(0, abs=1e-20)
