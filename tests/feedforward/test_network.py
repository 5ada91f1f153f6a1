"""The feed-forward network: any size, any batch, differentiable, and styles that can be kept and mixed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from impasto.errors import ParameterError, WeightsError
from impasto.feedforward import weights
from impasto.feedforward.network import Architecture, Network
from impasto.feedforward.style import Style
from impasto.swatches import paint

TINY = Architecture(widths=(4, 4, 8, 8, 8), code=6, hidden=8, mixes=2, blocks=(1, 1, 1))


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return Network(TINY).eval().requires_grad_(False)


@pytest.mark.parametrize("size", [(16, 16), (33, 47), (64, 20), (1, 5)])
def test_a_picture_keeps_its_size(network: Network, size: tuple[int, int]) -> None:
    code = network.encode(torch.rand(1, 3, 24, 31))
    assert network(torch.rand(2, 3, *size), code).shape == (2, 3, *size)


def test_a_batch_is_each_by_itself(network: Network) -> None:
    pictures, styles = torch.rand(2, 3, 3, 40, 32)
    codes = network.encode(styles)
    together = network(pictures, codes)
    for number in range(3):
        own = slice(number, number + 1)
        torch.testing.assert_close(codes[own], network.encode(styles[own]), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(together[own], network(pictures[own], codes[own]), rtol=1e-4, atol=1e-5)


def test_gradients_in_float64() -> None:
    torch.manual_seed(0)
    network = Network(
        Architecture(widths=(2, 2, 2, 2, 2), code=3, hidden=3, mixes=1, blocks=(1, 1, 1))
    ).double()

    def painted(picture: Tensor, style: Tensor) -> Tensor:
        return network(picture, network.encode(style))[..., ::5, ::5]

    given = [torch.rand(1, 3, 16, 17, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(painted, given, atol=1e-4, nondet_tol=1e-9, fast_mode=True)


def test_statistics_can_be_those_of_a_larger_picture(network: Network) -> None:
    picture, code = torch.rand(1, 3, 32, 32), network.encode(torch.rand(1, 3, 32, 32))
    seen: dict[str, tuple[Tensor, Tensor]] = {}

    def remembering(name: str, features: Tensor) -> tuple[Tensor, Tensor]:
        variance, mean = torch.var_mean(features, (2, 3), correction=0)
        seen[name] = mean, (variance + 1e-5).sqrt()
        return seen[name]

    whole = network(picture, code, statistics=remembering)
    torch.testing.assert_close(network(picture, code), whole, rtol=1e-4, atol=1e-5)
    again = network(picture, code, statistics=lambda name, _: seen[name])
    torch.testing.assert_close(again, whole, rtol=1e-5, atol=1e-6)


def test_styles_mix_linearly_and_are_kept(network: Network, tmp_path: Path) -> None:
    one, other = (Style(network.encode(torch.rand(1, 3, 20, 20))) for _ in range(2))
    torch.testing.assert_close(Style.mix([one, other], [1, 3]).code, one.towards(other, 0.75).code)
    one.save(tmp_path / "one.safetensors")
    assert torch.equal(Style.load(tmp_path / "one.safetensors").code, one.code)
    for wrong in ([1.0], [-1.0, 2.0], [0.0, 0.0], [float("nan"), 1.0]):
        with pytest.raises(ParameterError, match="mix"):
            Style.mix([one, other], wrong)


def test_weights_come_back_as_they_were_written(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    weights.save(network, path, dtype=torch.float32)
    found = weights.load(path)
    assert found.architecture == TINY
    for name, tensor in network.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor)


@pytest.mark.parametrize("content", [b"", b"nothing", None])
def test_damaged_weights_are_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "weights.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"weights\.safetensors"):
        weights.load(path)


def _tensor(name: str) -> Tensor:
    return torch.from_numpy(np.asarray(paint(name, size=128)).copy()).permute(2, 0, 1)[None].float() / 255


def test_the_packaged_weights_bring_a_picture_s_colours_towards_the_style_s() -> None:
    network = weights.load(weights.PACKAGED)
    content, style = _tensor("waves"), _tensor("glass")
    with torch.no_grad():
        painted = network(content, network.encode(style))
    assert bool(painted.isfinite().all())
    assert float((painted - content).abs().mean()) > 0.02

    def off(picture: Tensor) -> float:
        found, wanted = (torch.cat([x.mean((2, 3)), x.std((2, 3))], 1) for x in (picture, style))
        return float((found - wanted).norm())

    assert off(painted) < 0.6 * off(content)
