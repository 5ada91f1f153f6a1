from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from impasto.encoders import mobilenet
from impasto.encoders.mobilenet import mobilenet_v2
from impasto.encoders.module import from_module
from impasto.engine.evaluation import autograd_evaluation
from impasto.engine.optimize import iterate
from impasto.engine.pyramid import Level, Pyramid
from impasto.engine.solvers.lbfgs import LBFGS
from impasto.engine.steering import Course
from impasto.errors import MissingExtraError, ParameterError, WeightsError
from impasto.losses.content import mean
from impasto.losses.gram import Gram
from impasto.losses.objective import ContentTerm, StyleTerm

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
    assert not encoder._overwritten, "no second pass was needed to find that out"


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
    nan, inf = float("nan"), float("inf")
    for means, std, top in [
        ((0.0,) * 3, (0.0, 1.0, 1.0), 1.0),
        ((0.0,) * 3, (1.0, nan, 1.0), 1.0),
        ((0.0, inf, 0.0), (1.0,) * 3, 1.0),
        ((0.0,) * 2, (1.0,) * 3, 1.0),
        ((0.0,) * 3, (1.0,) * 3, nan),
        ((0.0,) * 3, (1.0,) * 3, 0.0),
    ]:
        with pytest.raises(ParameterError, match="above 0"):
            from_module(network(), layers=["0"], mean=means, std=std, input_range=top)
    with pytest.raises(ParameterError, match="channel order: unknown name 'rgb'"):
        from_module(network(), layers=["0"], order="rgb", **IDENTITY)  # type: ignore[arg-type]
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
    with pytest.raises(WeightsError, match="expected mobilenet_v2, got no tensor for"):
        mobilenet_v2(str(path))
    with pytest.raises(WeightsError, match="no weights are packaged"):
        mobilenet_v2()
    with pytest.raises(ParameterError, match="did you mean 'imagenet1k-v"):
        mobilenet_v2("imagenet1k-v")


def test_mobilenet_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(MissingExtraError, match=r"impasto\[torchvision\]"):
        mobilenet_v2("anything.pth")


def test_features_are_what_hooks_see() -> None:
    """The slow twin: hooks on the plain network, in-place layers made ordinary by hand."""
    torch.manual_seed(1)
    parts = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU()), nn.AvgPool2d(2)]
    plain = nn.Sequential(*parts).eval()
    seen: dict[str, Tensor] = {}
    names = ["0", "1", "2.0", "2.1", "2", "3"]
    handles = [
        plain.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, name=name: seen.__setitem__(name, output.detach().clone())
        )
        for name in names
    ]
    image = torch.rand(2, 3, 13, 12)
    plain(image)
    for handle in handles:
        handle.remove()
    for part in plain.modules():
        if isinstance(part, nn.ReLU):
            part.inplace = True
    encoder = from_module(plain, layers=names, **IDENTITY)
    found = encoder(image, names)
    assert list(found) == list(encoder.layers) and set(found) == set(names)
    for name in names:
        torch.testing.assert_close(found[name], seen[name], rtol=1e-6, atol=1e-6)


def test_later_parts_are_not_run() -> None:
    class Bomb(nn.Module):
        ran = 0

        def forward(self, x: Tensor) -> Tensor:
            Bomb.ran += 1
            raise RuntimeError("ran")

    encoder = from_module(nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), Bomb()), layers=["0", "1"], **IDENTITY)
    Bomb.ran = 0  # finding the order may have come as far
    encoder(torch.rand(1, 3, 4, 4), ["0", "1"])
    assert Bomb.ran == 0
    assert not any(part._forward_hooks for part in encoder._module.modules())


def test_hooks_go_even_when_the_network_fails() -> None:
    encoder = from_module(
        nn.Sequential(nn.Conv2d(3, 2, 1), nn.Conv2d(5, 2, 1)), layers=["0", "1"], **IDENTITY
    )
    for _ in range(2):  # the lock is free again, too
        with pytest.raises(RuntimeError, match="channels"):
            encoder(torch.rand(1, 3, 4, 4), ["1"])
    assert not any(part._forward_hooks for part in encoder._module.modules())


def test_public_names() -> None:
    plain = network().eval()
    encoder = from_module(plain, layers={"deep": "3", "shallow": "0", "same": "0"}, **IDENTITY)
    assert set(encoder.layers[:2]) == {"shallow", "same"} and encoder.layers[2] == "deep"
    image = torch.rand(1, 3, 8, 8)
    found = encoder(image, ["deep", "same", "shallow"])
    assert torch.equal(found["same"], found["shallow"])
    torch.testing.assert_close(found["shallow"], plain[0](image))
    with pytest.raises(ParameterError, match="layer: unknown name 'shalow'; did you mean 'shallow'"):
        encoder(image, ["shalow"])
    with pytest.raises(ParameterError, match="unknown name"):
        encoder(image, ["0"])


def test_misspelt_submodule_gets_a_suggestion() -> None:
    named = nn.Sequential()
    named.add_module("features", nn.Sequential(nn.Conv2d(3, 2, 1)))
    with pytest.raises(ParameterError, match=r"did you mean 'features\.0'"):
        from_module(named, layers=["feature.0"], **IDENTITY)


def test_a_network_on_another_device() -> None:
    """The meta device stands for a GPU: the mean follows the network there without to()."""
    encoder = from_module(network().to("meta"), layers=["0"], **IDENTITY)
    found = encoder(torch.empty(1, 3, 8, 8, device="meta"), ["0"])["0"]
    assert found.device.type == "meta" and found.shape == (1, 4, 6, 6)


def test_casting_keeps_the_mean_exact() -> None:
    """The mean is subtracted before the image is rounded to half precision."""
    first = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False))
    with torch.no_grad():
        first[0].weight.copy_(torch.eye(3).view(3, 3, 1, 1))
    encoder = from_module(
        first, layers=["0"], mean=(123.68, 116.779, 103.939), std=(1.0,) * 3, input_range=255.0
    ).to(dtype=torch.bfloat16)
    image = torch.tensor([124.0, 117.0, 104.0]).view(1, 3, 1, 1) / 255.0
    found = encoder(image, ["0"])["0"].float().flatten()
    torch.testing.assert_close(found, torch.tensor([0.32, 0.221, 0.061]), rtol=0.01, atol=0.0)
    assert encoder.to(dtype=torch.float64)(image, ["0"])["0"].dtype == torch.float64
    assert encoder.to().to(device="cpu").dtype == torch.float64, "nothing named, nothing changed"


def test_paints_twice_in_a_row() -> None:
    """One encoder, two runs of the engine: the same picture both times, and the loss falls."""
    encoder = from_module(network(), layers=["1", "4"], mean=(0.5,) * 3, std=(0.25,) * 3)
    generator = torch.Generator().manual_seed(3)
    content, style, start = (torch.rand(1, 3, 16, 18, generator=generator) for _ in range(3))
    objective = (ContentTerm("4", mean, 1.0), StyleTerm("1", Gram(), 1.0, "1"))

    def paint() -> tuple[list[float], Tensor]:
        steps = list(
            iterate(
                content=content,
                styles=[style],
                pyramid=Pyramid([Level(size=(16, 18), styles=((16, 18),), iterations=6)]),
                course=Course(autograd_evaluation(encoder, objective, [1.0]), learning_rate=1.0),
                start=start,
                solver=LBFGS(initial_step_rms=0.02, bounds=(0.0, 1.0)),
            )
        )
        return [step.loss for step in steps], steps[-1].image

    losses, picture = paint()
    again, same = paint()
    assert len(losses) == 6 and losses[-1] < 0.8 * losses[0]
    assert losses == again and torch.equal(picture, same)
    assert not picture.requires_grad and all(p.grad is None for p in encoder._module.parameters())


def spoil(state: dict[str, Tensor], how: str) -> None:
    first = "features.0.0.weight"
    if how == "shape":
        state[first] = state[first][:, :2]
    elif how == "nan":
        state[first] = torch.full_like(state[first], float("nan"))
    elif how == "missing":
        del state["features.18.1.running_mean"]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("shape", r"features\.0\.0\.weight: expected shape \(32, 3, 3, 3\), got \(32, 2, 3, 3\)"),
        ("nan", r"features\.0\.0\.weight: expected finite numbers"),
        ("missing", r"expected mobilenet_v2, got no tensor for features\.18\.1\.running_mean$"),
    ],
)
def test_mobilenet_damaged(torchvision_models: ModuleType, tmp_path: Path, how: str, why: str) -> None:
    state = dict(torchvision_models.mobilenet_v2(weights=None).state_dict())
    spoil(state, how)
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=why) as caught:
        mobilenet_v2(str(tmp_path / "x.pth"))
    assert "\n" not in str(caught.value) and str(tmp_path / "x.pth") in str(caught.value)


def test_mobilenet_from_before_batches_were_counted(torchvision_models: ModuleType, tmp_path: Path) -> None:
    state = torchvision_models.mobilenet_v2(weights=None).state_dict()
    torch.save({k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}, tmp_path / "x.pth")
    features = mobilenet_v2(str(tmp_path / "x.pth"))(torch.rand(1, 3, 32, 32), ["features.18"])["features.18"]
    assert features.shape == (1, 1280, 1, 1) and bool(torch.isfinite(features).all())


def test_mobilenet_names_the_system_cannot_look_up(
    torchvision_models: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(mobilenet, "fetch", refuse)
    with pytest.raises(ParameterError, match="unknown name 'aaa"):
        mobilenet_v2("a" * 300)
    with pytest.raises(WeightsError, match="no such user"):
        mobilenet_v2("~no-such-user/x.pth")
    with pytest.raises(WeightsError, match="got a path that does not exist"):
        mobilenet_v2("./no.pth")


def test_mobilenet_by_name_asks_for_the_hash(
    torchvision_models: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(torchvision_models.mobilenet_v2(weights=None).state_dict(), tmp_path / "x.pth")
    asked: list[tuple[str, Any]] = []

    def fetched(url: str, *, sha256: str | None = None, progress: Any = None) -> Path:
        asked.append((url, sha256))
        return tmp_path / "x.pth"

    monkeypatch.setattr(mobilenet, "fetch", fetched)
    assert mobilenet_v2("imagenet1k-v1").name == "mobilenet_v2"
    assert asked == [mobilenet.MOBILENET_V2["imagenet1k-v1"]]


def test_mobilenet_with_a_torchvision_for_another_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(name: str) -> ModuleType:
        raise RuntimeError("operator torchvision::nms does not exist\nmore")

    monkeypatch.setattr(mobilenet.importlib, "import_module", fails)
    with pytest.raises(
        WeightsError, match=r"built for torch .*got: operator torchvision::nms does not exist$"
    ):
        mobilenet_v2("anything.pth")
