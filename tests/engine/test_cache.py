"""What is kept: the same values as computed anew, computed once, within the limit."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pytest
import torch
from torch import Tensor

from impasto.encoders.vgg import VGG
from impasto.encoders.weights import ARCHITECTURES, Convolutions
from impasto.engine.cache import LRUCache, digest
from impasto.engine.tiling.gradient import tiled
from impasto.engine.tiling.streamed import StreamedNetwork
from impasto.losses.content import share
from impasto.losses.gram import Gram
from impasto.losses.newton_schulz import NewtonSchulzWasserstein
from impasto.losses.objective import ContentTerm, Objective, StyleTerm


def test_makes_once_and_forgets_the_oldest() -> None:
    kept, made = LRUCache(100), []

    def value(name: str, size: int) -> str:
        def make() -> str:
            made.append(name)
            return name

        return kept.get(name, make, lambda _: size)

    for name, size in (("a", 60), ("b", 30), ("a", 60), ("c", 50), ("a", 60), ("b", 30), ("huge", 101)):
        assert value(name, size) == name
        assert kept.bytes <= 100
    # c needed the room of b, the one not used for longest, and of a.
    assert made == ["a", "b", "c", "a", "b", "huge"]
    assert value("b", 30) == "b"
    assert made.count("b") == 2
    assert value("huge", 101) == "huge"
    assert made.count("huge") == 2


def test_what_raises_is_not_kept() -> None:
    kept = LRUCache(100)
    with pytest.raises(torch.OutOfMemoryError):
        kept.get("a", _cramped, lambda _: 1)
    assert kept.get("a", lambda: 3, lambda _: 1) == 3


def _cramped() -> int:
    raise torch.OutOfMemoryError("no room")


def test_digests_tell_pictures_apart() -> None:
    one = torch.arange(24, dtype=torch.float32).view(1, 3, 2, 4)
    others = [one.view(1, 3, 4, 2), one.double(), one + 1, one.flip(3)]
    assert digest(one) == digest(one.clone()) == digest(one.transpose(2, 3).contiguous().transpose(2, 3))
    assert len({digest(each) for each in (one, *others)}) == 5


class Counting:
    """A network that counts how often it is shown something."""

    def __init__(self, network: VGG) -> None:
        self._network, self.forwards = network, 0

    def stream(self, layers: Collection[str]) -> StreamedNetwork:
        stream, outer = self._network.stream(layers), self

        class Counted:
            def __getattr__(self, name: str) -> object:
                return getattr(stream, name)

            def forward(self, *arguments: object, **options: object) -> object:
                outer.forwards += 1
                return stream.forward(*arguments, **options)  # type: ignore[arg-type]

        return Counted()  # type: ignore[return-value]


@pytest.fixture(scope="module")
def network() -> VGG:
    return narrow()


def narrow() -> VGG:
    """VGG19's layers with a few channels each."""
    generator = torch.Generator().manual_seed(0)
    kernels, biases, below = {}, {}, 3
    for block, count in enumerate(ARCHITECTURES["vgg19"].convolutions, start=1):
        for index in range(1, count + 1):
            kernels[f"conv{block}_{index}"] = torch.randn(4, below, 3, 3, generator=generator) / 3
            biases[f"conv{block}_{index}"] = torch.randn(4, generator=generator)
            below = 4
    return VGG(Convolutions("vgg19", kernels, biases, (120.0, 115.0, 100.0), "made up", "none"))


def _picture(height: int, width: int, seed: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


CONTENT, STYLE, OTHER = _picture(90, 70, 1), _picture(64, 80, 2), _picture(64, 80, 3)


def _objective(
    *, content: str = "relu4_2", styles: tuple[str, ...] = ("relu1_1", "relu3_1"), weight: float = 1.0
) -> Objective:
    return (
        ContentTerm(content, share, weight),
        *(StyleTerm(layer, Gram(reduce="share"), 3 * weight, layer) for layer in styles),
    )


WASSERSTEIN: Objective = (
    ContentTerm("relu4_2", share, 1.0),
    StyleTerm("relu1_1", NewtonSchulzWasserstein(), 1.0, "relu1_1"),
    StyleTerm("relu3_1", NewtonSchulzWasserstein(), 1.0, "relu3_1"),
)


def _forwards(network: VGG, kept: LRUCache | None) -> Callable[..., int]:
    """Prepares and compares with what comes without anything kept; how often the network was shown something."""
    counting = Counting(network)
    plain = Counting(network)

    def run(objective: Objective, content: Tensor = CONTENT, style: Tensor = STYLE, tile: int = 0) -> int:
        before = counting.forwards
        x = 255 * _picture(*content.shape[-2:], 9)
        arguments = (lambda: content.clone(), [lambda: style.clone()])
        ours = tiled(counting, objective, [1.0], 255.0, tile=tile, cache=kept)(*arguments)
        shown = counting.forwards - before
        twin = tiled(plain, objective, [1.0], 255.0, tile=tile)(*arguments)
        for with_gradient in (True, False):
            one, other = ours(x, with_gradient=with_gradient), twin(x, with_gradient=with_gradient)
            assert one.loss == other.loss
            assert one.terms == other.terms
            assert torch.equal(one.gradient, other.gradient)
        return shown

    return run


def test_targets_are_computed_once_and_are_the_same_to_the_last_bit(network: VGG) -> None:
    run = _forwards(network, LRUCache(100_000_000))
    assert run(_objective()) == 2
    assert run(_objective(weight=7.0)) == 0  # weights are no part of them
    assert run(_objective(), tile=2048) == 0  # nor are tiles that cut nothing
    assert run(_objective(), style=OTHER) == 1
    assert run(_objective(), content=OTHER) == 1
    assert run(_objective(styles=("relu1_1", "relu3_1", "relu4_1"))) == 1  # the content is as it was
    assert run(_objective(content="relu3_2")) == 1
    assert run(WASSERSTEIN) == 1  # its sums are more exact
    assert run(_objective(), tile=48) > 2
    assert run(_objective(), tile=48) == 0
    assert run(_objective(), style=STYLE + 0.001) == 1
    assert run(_objective()) == 0


def test_another_network_has_its_own(network: VGG) -> None:
    kept = LRUCache(100_000_000)
    assert _forwards(network, kept)(_objective()) == 2
    assert _forwards(network, kept)(_objective()) == 2  # counts as another


def test_nothing_is_kept_where_nothing_fits(network: VGG) -> None:
    kept = LRUCache(10)
    run = _forwards(network, kept)
    assert run(_objective()) == 2
    assert run(_objective()) == 2
    assert kept.bytes == 0
