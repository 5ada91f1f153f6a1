"""What settings are made of: names there are to choose from, ranges, pictures, regions, changes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

# Spelled once; the command, the errors and the documentation derive from these.
Optimizer = Literal["lbfgs", "lbfgs-wolfe", "adam"]
EncoderName = Literal["vgg19", "vgg16", "mobilenet-v2"]
EngineName = Literal["optimize"]
Device = Literal["auto", "cpu", "cuda", "mps"]
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
    # What other tools and papers divide by; their presets' weights are made for these.
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
"""What a picture can start from, besides a file."""

# The upper ends keep products and powers of these within float32.
Weight = Annotated[float, Field(ge=0.0, le=1e15, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, le=1e6, allow_inf_nan=False)]
Scale = Annotated[float, Field(gt=0.0, le=16.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Grey = Annotated[float, Field(ge=0.0, le=255.0, allow_inf_nan=False)]
Pixels = Annotated[int, Field(ge=0, le=100_000)]
LayerWeights = dict[str, Weight]
Mix = Annotated[dict[StyleLossName, Weight], Field(min_length=1)]
Name = Annotated[str, Field(min_length=1)]


def _storable(path: str) -> str:
    """``path`` with the bytes that are not UTF-8, which no text may hold, spelled out."""
    return path.encode("utf-8", "backslashreplace").decode()


class Input(BaseModel):
    """A picture that went in: its path as the user gave it, and the SHA-256 of its content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Annotated[str, AfterValidator(_storable)]
    sha256: str = ""

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, given: Any) -> Any:
        return {"path": os.fspath(given)} if isinstance(given, str | os.PathLike) else given

    def absolute(self) -> Input:
        """The same from wherever one looks."""
        return self.model_copy(update={"path": str(Path(self.path).resolve())})


class RegionOf(BaseModel):
    """A part of the picture, and its style.

    Attributes:
        name: what it is called.
        mask: white where it is, in the picture.
        style: number of the style picture, from 1. Without it each region takes its own, where there are as many
            styles as regions, and all take the blend of all styles where there are not.
        style_mask: white where its style is, in the style picture.
        weight: how much its style counts, beside style_weight.
        loss: its style loss, in place of style_loss.
        keep: leave it as it was; it has no style then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    mask: Input
    style: Annotated[int, Field(ge=1)] | None = None
    style_mask: Input | None = None
    weight: Weight = 1.0
    loss: StyleLossName | None = None
    keep: bool = False

    def absolute(self) -> RegionOf:
        """The same with paths that are good from anywhere."""
        masks = {"mask": self.mask.absolute(), "style_mask": self.style_mask and self.style_mask.absolute()}
        return self.model_copy(update=masks)


class Change(BaseModel):
    """Settings that are others from an iteration on.

    Attributes:
        at: iterations done by then.

    The others are a recipe's settings of the same name; None leaves one as it was.
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
        """Name -> value of those that change."""
        return {name: value for name in CHANGEABLE if (value := getattr(self, name)) is not None}

    def absolute(self) -> Change:
        """The same with paths that are good from anywhere."""
        regions = self.regions and tuple(region.absolute() for region in self.regions)
        return self.model_copy(update={"regions": regions})


CHANGEABLE = tuple(name for name in Change.model_fields if name != "at")
"""The settings that can be changed while a picture is painted."""
