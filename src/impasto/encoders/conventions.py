"""Input conventions of networks: how to recognise one from a file, and how to fold it into the first convolution.

The same network circulates with its input as BGR 0..255 (Caffe, Keras), RGB 0..255, or RGB 0..1 divided by a
standard deviation (torchvision). This package uses one convention: RGB in 0..255 minus a mean pixel. The convention
of a file is folded into the kernels of conv1_1, which is exact: the input of conv1_2 stays the same.

Names used below: W are the kernels of conv1_1, c an input channel, x a pixel.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from impasto.errors import WeightsError, unknown_name

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Convention:
    """The input a network was trained on: (x − mean) / std, with x in 0..range.

    ``mean`` and ``std`` are in the order R, G, B for either ``order``, in units of ``range``.
    """

    order: Literal["RGB", "BGR"]
    range: Literal[1, 255]
    mean: Triple
    std: Triple = (1.0, 1.0, 1.0)


OXFORD_MEAN: Triple = (123.68, 116.779, 103.939)
_IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
_IMAGENET_STD: Triple = (0.229, 0.224, 0.225)

# Names that can follow a file name or URL: vgg.pth@caffe
CONVENTIONS: dict[str, Convention] = {
    "caffe": Convention("BGR", 255, OXFORD_MEAN),
    "keras": Convention("BGR", 255, OXFORD_MEAN),
    "rgb255": Convention("RGB", 255, OXFORD_MEAN),
    "torchvision": Convention("RGB", 1, _IMAGENET_MEAN, _IMAGENET_STD),
}


def folded(kernel: Tensor, convention: Convention) -> Tensor:
    """W of conv1_1 for an input of RGB in 0..255 minus the mean.

    With x' = x·range/255 the network computes W·((x' − mean)/std). So W becomes W·range/(255·std) in each channel,
    and the mean becomes 255·mean/range. Zero padding means the mean pixel in both conventions, so borders agree too.
    """
    if convention.order == "BGR":
        kernel = kernel.flip(1)
    factors = [convention.range / (255.0 * std) for std in convention.std]
    # In float64, so that only the result is rounded.
    scale = torch.tensor(factors, dtype=torch.float64).view(1, 3, 1, 1)
    return (kernel.double() * scale).float().contiguous()


# Oxford's weights are the ones most often redistributed under other conventions. They can be recognised: the biases
# of conv1_1 do not change, and the mean magnitude of its kernels differs between R, G and B.
# network -> (first four biases, mean |W| for R, G, B in 0..255)
_OXFORD: dict[str, tuple[tuple[float, ...], Triple]] = {
    "vgg19": ((0.7302, 0.0649, 0.0343, 0.8260), (0.1578, 0.1726, 0.1391)),
    "vgg16": ((0.7344, 0.0934, 0.0677, 0.8862), (0.1705, 0.1851, 0.1503)),
}


def recognise(
    network: str, kernel: Tensor, bias: Tensor, names: tuple[str, ...] = ("caffe", "rgb255", "torchvision")
) -> str | None:
    """The convention of Oxford's weights, recognised by their values; None for other weights.

    The magnitudes alone do not identify a convention: torchvision trained its own networks on inputs of about ±2, but
    their kernels of conv1_1 are as large as Oxford's, whose inputs are about ±100.
    """
    biases, magnitudes = _OXFORD[network]
    if not torch.allclose(bias[:4], torch.tensor(biases)[: len(bias)], rtol=0.0, atol=0.01):
        return None
    for name in names:
        found = folded(kernel, CONVENTIONS[name]).abs().mean(dim=(0, 2, 3))
        # Red and green differ by 9 %, red and blue by 13 %; 8-bit quantisation shifts them by less than 1 %.
        if torch.allclose(found, torch.tensor(magnitudes), rtol=0.03, atol=0.0):
            return name
    return None


def from_metadata(metadata: Mapping[str, str], name: str) -> Convention | None:
    """The input convention in the metadata of a safetensors file; None if it has none.

    It is either in the key ``convention``, in the keys ``input_order``, ``input_range``, ``mean`` and ``std`` (the
    last two in the file's order), or in a text such as "input BGR 0..255 minus (103.939,116.779,123.68)".

    Raises:
        ParameterError: an unknown ``convention``.
        WeightsError: a ``mean`` or ``std`` that is not three numbers, or a ``std`` not above 0.
    """
    if "convention" in metadata:
        if metadata["convention"] not in CONVENTIONS:
            raise unknown_name(f"input convention in weights {name}", metadata["convention"], CONVENTIONS)
        return CONVENTIONS[metadata["convention"]]
    text = " ".join(metadata.values())
    order: Literal["RGB", "BGR"] | None = None
    orders = set(re.findall(r"\b(?:RGB|BGR)\b", text.upper()))
    if len(orders) == 1:
        order = "RGB" if orders == {"RGB"} else "BGR"
    span = re.search(r"\b0(?:\.0)?\s*(?:\.\.\.?|…|-|to|,)\s*(255|1)\b", text)
    top = metadata.get("input_range") or (span[1] if span else "")
    top = re.sub(r"^0\s*(?:\.\.|,|-)\s*", "", top.strip("[]() ")).removesuffix(".0")
    if order is None or top not in ("1", "255"):
        return None
    words = re.search(r"\b(?:minus|mean)\s*[=:]?\s*[\[(]([^\])]+)[\])]", text)
    mean = _triple(metadata.get("mean") or (words[1] if words else None), "mean", order, name)
    std = _triple(metadata.get("std"), "std", order, name)
    if std is not None and min(std) <= 0:
        raise WeightsError(f"weights {name}: metadata std: expected three numbers above 0, got {std}")
    if top == "255":
        return Convention(order, 255, mean or OXFORD_MEAN, std or (1.0, 1.0, 1.0))
    return Convention(order, 1, mean or _IMAGENET_MEAN, std or _IMAGENET_STD)


def _triple(text: str | None, what: str, order: str, name: str) -> Triple | None:
    """Three numbers in the file's order -> R, G, B."""
    if text is None:
        return None
    try:
        values = [float(value) for value in text.strip("[]() ").split(",")]
    except ValueError:
        values = []
    if len(values) != 3 or not all(map(math.isfinite, values)):
        raise WeightsError(f"weights {name}: metadata {what}: expected three numbers, got {text!r}")
    a, b, c = values
    return (a, b, c) if order == "RGB" else (c, b, a)
