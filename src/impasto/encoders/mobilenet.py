"""torchvision's MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381) as an encoder: smaller and faster than VGG."""

from __future__ import annotations

import importlib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from impasto.encoders.download import fetch, is_url, kept_if_usable
from impasto.encoders.formats import locate, read
from impasto.encoders.module import ModuleEncoder, from_module
from impasto.errors import MissingExtraError, WeightsError, unknown_name

# name -> (URL, first digits of the SHA-256)
MOBILENET_V2: dict[str, tuple[str, str]] = {
    "imagenet1k-v1": ("https://download.pytorch.org/models/mobilenet_v2-b0353104.pth", "b0353104"),
    "imagenet1k-v2": ("https://download.pytorch.org/models/mobilenet_v2-7ebf99e0.pth", "7ebf99e0"),
}


def mobilenet_v2(
    weights: str | None = None, *, progress: Callable[[int, int | None], None] | None = None
) -> ModuleEncoder:
    """MobileNetV2 up to its last convolution; layers ``features.0`` … ``features.18``.

    Args:
        weights: a name in ``MOBILENET_V2`` or a URL, which is downloaded once, or a file with torchvision's
            ``state_dict``.
        progress: called with (bytes done, total bytes or None) during a download.

    Raises:
        WeightsError: the weights are missing, unavailable, damaged or of another network, or torchvision was built
            for another torch.
        ParameterError: an unknown name.
        MissingExtraError: torchvision is not installed.
    """
    if weights is None:
        raise WeightsError(
            f"mobilenet_v2: no weights are packaged; give a file, a URL or {' or '.join(MOBILENET_V2)}"
        )
    network = _untrained()
    path = _obtain(weights, progress)
    with kept_if_usable(path, url=weights):
        state = _read_state(path, weights, network.state_dict())
    network.load_state_dict(state, strict=False)
    # The classifier is left behind. The names stay as torchvision has them.
    features = nn.Sequential(OrderedDict(features=network.features))
    encoder = from_module(
        features,
        layers=[f"features.{index}" for index in range(len(network.features))],
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )
    encoder.name = "mobilenet_v2"
    return encoder


def _read_state(path: Path, weights: str, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in a file, by the names that are expected."""
    state = read(path).tensors
    # Files written since 2018 have a batch counter for batch normalisation; inference does not use it.
    missing = [key for key in expected if key not in state and not key.endswith("num_batches_tracked")]
    if missing:
        raise WeightsError(
            f"weights {weights}: expected mobilenet_v2, got no tensor for {missing[0]}"
            + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
        )
    for key, tensor in expected.items():
        if key not in state:
            continue
        if state[key].shape != tensor.shape:
            raise WeightsError(
                f"weights {weights}: {key}: expected shape {tuple(tensor.shape)}, "
                f"got {tuple(state[key].shape)}"
            )
        if not bool(torch.isfinite(state[key]).all()):
            raise WeightsError(f"weights {weights}: {key}: expected finite numbers, got NaN or infinity")
    return {key: state[key] for key in expected if key in state}


def _untrained() -> Any:
    try:
        models: Any = importlib.import_module("torchvision.models")
    except ImportError as error:
        raise MissingExtraError("mobilenet_v2", extra="torchvision") from error
    except RuntimeError as error:  # its binary was built for another torch: "operator torchvision::nms …"
        reason = str(error).partition("\n")[0]
        raise WeightsError(
            f"mobilenet_v2: expected a torchvision built for torch {torch.__version__}, got: {reason}"
        ) from error
    return models.mobilenet_v2(weights=None)


def _obtain(weights: str, progress: Callable[[int, int | None], None] | None) -> Path:
    if weights in MOBILENET_V2:
        url, sha256 = MOBILENET_V2[weights]
        return fetch(url, sha256=sha256, progress=progress)
    if is_url(weights):
        return fetch(weights, progress=progress)
    path, there = locate(weights)
    if not there and not re.search(r"[./\\]", weights):
        raise unknown_name("weights of mobilenet_v2", weights, MOBILENET_V2)
    return path
