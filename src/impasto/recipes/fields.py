"""The types of settings: choices of names, ranges of numbers, pictures, regions, changes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from impasto.text import escaped

# The command line, the error messages and the documentation derive from these types.
Optimizer = Literal["lbfgs", "lbfgs-wolfe", "adam"]
EncoderName = Literal["vgg19", "vgg16", "mobilenet-v2"]
EngineName = Literal["optimize"]
Precision = Literal["auto", "fp32", "tf32", "bf16"]
Quality = Literal["standard", "draft"]
StyleLossName = Literal[
    "gram-share",
    "mean-deviation",
    "wasserstein",
    "sliced-wasserstein",
    "histogram",
    "patches",
    "relaxed-transport",
    # The normalisations of other tools and papers; the weights in their presets assume them.
    "gram",
    "gram-elements",
    "gram-sums",
    "wasserstein-newton-schulz",
]
ContentLossName = Literal["mean", "half-sum", "share", "self-similarity"]
Color = Literal["style", "keep", "match", "palette"]
Flip = Literal["no", "horizontal", "vertical"]
ColorMatch = Literal["covariance", "histogram"]
SmoothnessLossName = Literal["absolute-sum", "absolute-mean", "nine-point"]

STARTS = ("content", "style", "noise")
"""The first images that are not files."""


def _weights_of_one(given: Any) -> Any:
    """A list of layers, each with the weight 1."""
    return dict.fromkeys(given, 1.0) if isinstance(given, list | tuple) else given


def _device_name(given: Any) -> Any:
    """The name of a device, or of a ``torch.device``, without loading torch."""
    name = str(given)
    if re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name) is None:
        raise PydanticCustomError("device", "Input should be auto, cpu, cuda, cuda:N or mps")
    return name


Device = Annotated[str, BeforeValidator(_device_name)]


# The upper bounds keep products and powers of these values within float32.
Weight = Annotated[float, Field(ge=0.0, le=1e15, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, le=1e6, allow_inf_nan=False)]
Scale = Annotated[float, Field(gt=0.0, le=16.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Grey = Annotated[float, Field(ge=0.0, le=255.0, allow_inf_nan=False)]
Pixels = Annotated[int, Field(ge=0, le=100_000)]
LayerWeights = Annotated[dict[str, Weight], BeforeValidator(_weights_of_one)]
Mix = Annotated[dict[StyleLossName, Weight], Field(min_length=1)]
Name = Annotated[str, Field(min_length=1)]


# A recipe as text has escape sequences for what a text cannot have: bytes that are not UTF-8, U+FFFF.
PathText = Annotated[str, PlainSerializer(escaped, return_type=str, when_used="json")]


def _check_start(init: str) -> str:
    if not init:
        raise ValueError(f"init: expected {', '.join(STARTS)} or a picture file, got none")
    return init


Start = Annotated[PathText, AfterValidator(_check_start)]  # Field(min_length=1) refuses what is not UTF-8


ChangePath = Callable[[str], str]


def absolute(path: str) -> str:
    """The absolute path of a file."""
    return str(Path(path).resolve())


class Input(BaseModel):
    """An input picture: its path as the user gave it, and the SHA-256 of its file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: PathText
    sha256: str = ""

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, given: Any) -> Any:
        if isinstance(given, str | os.PathLike):
            return {"path": os.fspath(given)}
        if isinstance(given, Mapping | Input):
            return given
        raise PydanticCustomError("picture", "Input should be a path, an array, a tensor or a Pillow image")

    def with_path(self, change: ChangePath) -> Input:
        """A copy with a changed path."""
        return self.model_copy(update={"path": change(self.path)})


class RegionOf(BaseModel):
    """A region of the picture, and its style.

    Attributes:
        name: of the region; letters, digits, ``_`` and ``-``.
        mask: a picture, white inside the region, or opaque inside where it has alpha, or a map of class labels.
        label: of the region in a mask, or in both masks, that is a map of class labels.
        style: number of the style picture, counted from 1. None: the n-th region takes the n-th style where there
            are as many styles as regions; otherwise every region takes the blend of all styles.
        style_mask: a picture, white where the style picture shows this region's style.
        weight: factor on the region's style loss, on top of style_weight.
        loss: the region's style loss, in place of style_loss.
        keep: leave the region as in the photograph, without a style.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    mask: Input
    label: Annotated[int, Field(ge=0, le=65535)] | None = None
    style: Annotated[int, Field(ge=1)] | None = None
    style_mask: Input | None = None
    weight: Weight = 1.0
    loss: StyleLossName | None = None
    keep: bool = False

    def with_paths(self, change: ChangePath) -> RegionOf:
        """A copy with changed paths."""
        masks = {
            "mask": self.mask.with_path(change),
            "style_mask": self.style_mask and self.style_mask.with_path(change),
        }
        return self.model_copy(update=masks)


class Change(BaseModel):
    """New values of some settings, from an iteration on.

    Attributes:
        at: number of iterations done before the change.

    Every other field is the recipe's setting of that name; None leaves the setting unchanged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: Annotated[int, Field(ge=0)]
    content_weight: Weight | None = None
    style_weight: Weight | None = None
    tv_weight: Weight | None = None
    style_weights: Annotated[tuple[Weight, ...], Field(min_length=1)] | None = None
    content_layers: LayerWeights | None = None
    style_layers: LayerWeights | None = None
    regions: tuple[RegionOf, ...] | None = None
    learning_rate: Positive | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Name -> new value of each setting that changes."""
        return {name: value for name in CHANGEABLE if (value := getattr(self, name)) is not None}

    def with_paths(self, change: ChangePath) -> Change:
        """A copy with changed paths."""
        regions = self.regions and tuple(region.with_paths(change) for region in self.regions)
        return self.model_copy(update={"regions": regions})


CHANGEABLE = tuple(name for name in Change.model_fields if name != "at")
"""The settings that can change while a picture is painted."""
