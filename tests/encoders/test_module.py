from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from impasto.encoders.mobilenet import mobilenet_v2
from impasto.encoders.module import from_module
from impasto.errors import MissingExtraError, ParameterError, WeightsError

IDENTITY: dict[str, Any] = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.ReLU(inplace=True),
        nn.BatchNorm2d(4),
        nn.Conv2d(4, 5, 3),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """Lists its parts in another order than it uses them, and writes over one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Conv2d(4, 4, 1)
        self.first = nn.Conv2d(3, 4, 1)
        self.unused = nn.Conv2d(3, 4, 1)
        self.passes = 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        out: Tensor = self.first(x)
        out += 1.0
        result: Tensor = self.last(out)
        return result


def test_features_are_those_before_in_place_layers() -> None:
    plain = network().eval()
    encoder = from_module(plain, layers=["0", "1", "4"], **IDENTITY)
    image = torch.rand(2, 3, 8, 9)
    found = encoder(image, ["4", "0"])
    assert list(found) == ["0", "4"]
    assert found["0"].min() < 0, "the ReLU behind it did not get at it"
    torch.testing.assert_close(found["0"], plain[0](image))
    torch.testing.assert_close(found["4"], plain(image))


def test_the_callers_network_is_left_alone() -> None:
    theirs = network().train()
    encoder = from_module(theirs, layers=["2"], **IDENTITY)
    encoder(torch.rand(1, 3, 8, 8), ["2"])
    assert theirs.training and theirs[1].inplace and all(p.requires_grad for p in theirs.parameters())
    assert int(theirs[2].num_batches_tracked) == 0
    assert not any(part._forward_hooks for part in encoder._module.modules())
    assert not any(p.requires_grad for p in encoder._module.parameters())


def test_gradient_reaches_the_image() -> None:
    encoder = from_module(network(), layers=["1", "3"], **IDENTITY).to(dtype=torch.float64)
    image = torch.rand(1, 3, 5, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: encoder(x, ["3"])["3"], image)


def test_input_convention() -> None:
    first = nn.Sequential(nn.Identity())
    encoder = from_module(
        first, layers=["0"], mean=(1.0, 2.0, 3.0), std=(2.0, 4.0, 8.0), input_range=255.0, order="BGR"
    )
    image = torch.tensor([0.0, 0.5, 1.0]).view(1, 3, 1, 1)
    expected = torch.tensor([(255 - 1) / 2, (127.5 - 2) / 4, (0 - 3) / 8]).view(1, 3, 1, 1)
    torch.testing.assert_close(encoder(image, ["0"])["0"], expected)


def test_order_of_execution_and_names() -> None:
    encoder = from_module(Residual(), layers={"late": "last", "idle": "unused", "early": "first"}, **IDENTITY)
    assert encoder.layers == ("early", "late", "idle")
    assert encoder.name == "Residual"
    with pytest.raises(ParameterError, match="layer idle: Residual did not use this submodule"):
        encoder(torch.rand(1, 3, 2, 2), ["idle"])


@pytest.mark.parametrize("inference", [False, True])
def test_written_over_by_the_forward_pass(inference: bool) -> None:
    theirs = Residual()
    encoder = from_module(theirs, layers=["first", "last"], **IDENTITY)
    image = torch.rand(1, 3, 2, 2)
    inner: Any = encoder._module
    inner.passes = 0
    with torch.inference_mode(inference):
        found = encoder(image, ["first", "last"])
        torch.testing.assert_close(found["first"], theirs.first(image))
        torch.testing.assert_close(found["last"], theirs.last(theirs.first(image) + 1))
        assert inner.passes == (1 if inference else 2)
        encoder(image, ["first", "last"])
        assert inner.passes == (2 if inference else 3), "the second pass is needed once"


def test_stops_behind_the_deepest_layer() -> None:
    deep = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Linear(1, 1)
    )  # the second part cannot take what the first gives
    encoder = from_module(deep, layers=["0"], **IDENTITY)
    assert encoder(torch.rand(1, 3, 8, 8), ["0"])["0"].shape == (1, 4, 6, 6)
    assert encoder(torch.rand(1, 3, 8, 8), []) == {}


def test_types() -> None:
    encoder = from_module(network(), layers=["0"], **IDENTITY).to(dtype=torch.bfloat16)
    assert encoder.dtype == torch.bfloat16
    assert encoder(torch.rand(1, 3, 8, 8), ["0"])["0"].dtype == torch.bfloat16


def test_threads_take_turns() -> None:
    encoder = from_module(network(), layers=["0", "4"], **IDENTITY)
    images = torch.rand(8, 1, 3, 16, 16)
    alone = [encoder(image, ["0", "4"])["4"] for image in images]
    found: dict[int, Tensor] = {}
    threads = [
        threading.Thread(target=lambda at=at: found.__setitem__(at, encoder(images[at], ["0", "4"])["4"]))
        for at in range(len(images))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for at, expected in enumerate(alone):
        torch.testing.assert_close(found[at], expected)


def test_mistakes() -> None:
    with pytest.raises(ParameterError, match=r"layer: unknown name 'conv'.*known: 0, 1, 2, 3, 4"):
        from_module(network(), layers=["conv"], **IDENTITY)
    with pytest.raises(ParameterError, match="at least one"):
        from_module(network(), layers=[], **IDENTITY)
    with pytest.raises(ParameterError, match="above 0"):
        from_module(network(), layers=["0"], mean=(0.0, 0.0, 0.0), std=(0.0, 1.0, 1.0))
    encoder = from_module(network(), layers=["0", "1"], **IDENTITY)
    with pytest.raises(ParameterError, match="layer: unknown name '4'"):
        encoder(torch.rand(1, 3, 8, 8), ["4"])
    recurrent = from_module(nn.Sequential(nn.Flatten(2), nn.GRU(4, 2)), layers=["1"], **IDENTITY)
    with pytest.raises(
        ParameterError, match="layer 1: expected a submodule that returns a tensor, got tuple"
    ):
        recurrent(torch.rand(1, 3, 2, 2), ["1"])


def test_mobilenet(torchvision_models: ModuleType, tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = torchvision_models.mobilenet_v2(weights=None).eval()
    torch.save(theirs.state_dict(), tmp_path / "mobilenet.pth")
    encoder = mobilenet_v2(str(tmp_path / "mobilenet.pth"))
    assert encoder.layers == tuple(f"features.{index}" for index in range(19))
    image = torch.rand(1, 3, 64, 64)
    normal = (image - torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(1, 3, 1, 1)
    found = encoder(image, ["features.3", "features.18"])
    torch.testing.assert_close(found["features.3"], theirs.features[:4](normal))
    torch.testing.assert_close(found["features.18"], theirs.features(normal))


def test_mobilenet_refuses(torchvision_models: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"features.0.0.weight": torch.zeros(32, 3, 3, 3)}, path)
    with pytest.raises(WeightsError, match="expected mobilenet_v2, got nothing for"):
        mobilenet_v2(str(path))
    with pytest.raises(WeightsError, match="no weights are packaged"):
        mobilenet_v2()
    with pytest.raises(ParameterError, match="did you mean 'imagenet1k-v"):
        mobilenet_v2("imagenet1k-v")


def test_mobilenet_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(MissingExtraError, match=r"impasto\[torchvision\]"):
        mobilenet_v2("anything.pth")
