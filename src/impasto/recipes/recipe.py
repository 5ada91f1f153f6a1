"""A recipe: every setting a picture depends on, frozen, and its two-way form as TOML.

Field names are the command's options with underscores, and the defaults here are the engine's own; a preset
(:mod:`impasto.recipes.presets`) changes some of them, and what the user gives changes the rest.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from impasto.errors import ParameterError, unknown_name

# Spelled once; the command, the errors and the documentation derive from these.
Optimizer = Literal["lbfgs", "lbfgs-wolfe", "adam"]
EncoderName = Literal["vgg19", "vgg16", "mobilenet-v2"]
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
Grey = Annotated[float, Field(ge=0.0, le=255.0, allow_inf_nan=False)]
Pixels = Annotated[int, Field(ge=0, le=100_000)]
LayerWeights = dict[str, Weight]
Mix = Annotated[dict[StyleLossName, Weight], Field(min_length=1)]
Name = Annotated[str, Field(min_length=1)]


T = TypeVar("T")


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


class Recipe(BaseModel):
    """All settings of one picture. Sizes are in pixels; grey levels count 255 to white."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # What goes in.
    content: Input | None = None
    styles: tuple[Input, ...] = ()
    style_weights: tuple[Weight, ...] = ()
    style_scales: tuple[Scale, ...] = ()  # beside style_scale
    style_rotate: tuple[Literal[0, 90, 180, 270], ...] = ()  # degrees, clockwise
    style_flip: tuple[Flip, ...] = ()
    palette: Input | None = None
    regions: tuple[RegionOf, ...] = ()

    # Whose colours it has: impasto.assembly.colors.
    color: Color = "style"
    color_match: ColorMatch = "covariance"

    # What is minimised.
    preset: str = "impasto"
    content_weight: Weight = 1.0
    style_weight: Weight = 20.0
    strength: Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)] | None = None
    measured_for: str | None = None  # what style_weight was measured for: impasto.transfer.strength
    tv_weight: Weight = 0.0
    photo_weight: Weight = 0.0
    content_layers: LayerWeights = {"relu4_2": 1.0}
    style_layers: LayerWeights = {
        "relu1_1": 1.0,
        "relu2_1": 0.5,
        "relu3_1": 0.2,
        "relu4_1": 0.2,
        "relu5_1": 0.2,
    }
    style_target_layers: dict[str, str] = {}
    content_loss: ContentLossName = "share"
    style_loss: StyleLossName = "gram-share"
    style_losses: dict[str, Mix] = {}  # of single layers, in place of style_loss
    tv_loss: SmoothnessLossName = "absolute-mean"
    photo_finish: Annotated[int, Field(ge=0, le=100)] = (
        0  # pixels around each: impasto.assembly.guided_filter
    )

    # The network.
    encoder: EncoderName | Literal["custom"] = "vgg19"
    weights: Name | None = None
    pooling: Literal["max", "average", "l2", "max-blur"] = "max"
    padding: Literal["zero", "replicate", "replicate-first", "reflect"] = "zero"
    mean_pixel: tuple[Grey, Grey, Grey] | None = None

    # Sizes and start.
    size: Pixels = 512
    fit: Literal["long", "short", "height", "area"] = "long"
    aspect: Annotated[float, Field(gt=0.01, lt=100.0)] | None = (
        None  # width / height, in place of the content's
    )
    seamless: bool = False
    margin: Annotated[int, Field(ge=0, le=1000)] = 0  # painted beyond every edge, and cut off
    style_size: Pixels | None = None
    style_fit: Literal["long", "short", "height", "area"] = "long"
    style_scale: Scale = 1.0
    style_enlarge: bool = True
    resample: Literal["bicubic", "bilinear"] = "bicubic"
    init: Name = "content"
    noise: Grey = 10.0
    smallest: Annotated[int, Field(ge=16)] = 128
    ratio: Annotated[float, Field(ge=1.1, le=16.0)] = 2.0
    detail: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5

    # How it is minimised.
    faithful: bool = False
    optimizer: Optimizer = "lbfgs"
    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 250
    coarser: Positive = 1.0
    first_level: Positive = 1.0
    learning_rate: Positive | None = None
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.99)
    averaging: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    history: Annotated[int, Field(ge=1)] = 20
    # Megabytes; 0 sets no limit, None takes what suits the device.
    history_memory: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    initial_step_rms: Weight = 4.0
    spectral_exponent: Annotated[float, Field(ge=0.0, le=2.0)] = 0.25
    bounded: bool = True
    unit: Literal[1, 255] = 255
    min_relative_decrease: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    changes: tuple[Change, ...] = ()  # while it is painted, earlier ones first

    # The machine.
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    device: Device = "auto"
    precision: Precision = "auto"
    tile: Pixels = 2048  # 0 cuts nothing

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        content, style = (
            weight * sum(layers.values())
            for weight, layers in (
                (self.content_weight, self.content_layers),
                (self.style_weight, self.style_layers),
            )
        )
        if not content and not style and not self.tv_weight and not self.photo_weight:
            raise ValueError("content_weight, style_weight: expected one above 0, got nothing to minimise")
        if self.strength is not None and not (content and style):
            raise ValueError("strength: expected a content and a style to balance, got one of weight 0")
        if self.style_weights and not any(self.style_weights):
            raise ValueError("style_weights: expected one above 0, got only zeros")
        if self.styles and (wrong := self._wrong_count(len(self.styles))):
            raise ValueError(wrong)
        names = [region.name for region in self.regions]
        if len(set(names)) != len(names):
            raise ValueError(f"regions: expected each name once, got {', '.join(names)}")
        for name in ("tv_weight", "photo_weight", "photo_finish"):
            if self.seamless and getattr(self, name):
                raise ValueError(f"seamless: expected a {name} of 0, got {getattr(self, name):g}")
        if (self.color == "palette") != (self.palette is not None):
            given = "a palette picture" if self.palette else "none"
            raise ValueError(
                f"color, palette: expected a picture just when color is palette, got {given} and {self.color}"
            )
        for name in ("style_target_layers", "style_losses"):
            unknown = set(getattr(self, name)) - set(self.style_layers)
            if unknown:
                raise ValueError(f"{name}: {', '.join(sorted(unknown))} is not in style_layers")
        self._check_changes()
        return self

    def _check_changes(self) -> None:
        before = -1
        for change in self.changes:
            if not before < change.at < self.steps:
                raise ValueError(
                    f"changes: expected them in order, after fewer iterations than the {self.steps} there are, "
                    f"got one after {change.at}"
                )
            before = change.at
            for name in ("content_layers", "style_layers"):
                known, given = getattr(self, name), getattr(change, name) or {}
                if unknown := sorted(set(given) - set(known)):
                    raise ValueError(
                        f"changes: {name}: expected layers that there are from the beginning "
                        f"({', '.join(known)}), got {', '.join(unknown)}"
                    )
            try:
                self.after(change.at)
            except ParameterError as error:
                raise ValueError(f"changes: after {change.at} iterations: {error}") from None

    def _wrong_count(self, styles: int) -> str | None:
        """What is wrong with settings that have a value for each style, if something is."""
        for name in ("style_weights", "style_scales", "style_rotate", "style_flip"):
            given = len(getattr(self, name))
            one_will_do = name != "style_weights"
            if given not in (0, styles) and not (one_will_do and given == 1):
                one = "one, or " if one_will_do else ""
                return f"{name}: expected {one}one for each of {styles} styles, got {given}"
        for region in self.regions:
            if region.style is not None and region.style > styles:
                return f"region {region.name}: expected a style out of {styles}, got number {region.style}"
        return None

    def check_styles(self, count: int) -> None:
        """Refuse a number of styles that there are not as many values for.

        Raises:
            ParameterError: a setting has another number of values.
        """
        if wrong := self._wrong_count(count):
            raise ParameterError(wrong)

    def style_of(self, region: RegionOf, styles: int) -> int | None:
        """The number, from 0, of the style picture that a region takes; None for the blend of all."""
        if region.style is not None:
            return region.style - 1
        painted = [each for each in self.regions if not each.keep]
        return painted.index(region) if len(painted) == styles else None

    def scale_of(self, style: int) -> float:
        """How large the strokes of a style shall be, by its number."""
        return self.style_scale * _each(self.style_scales, style, 1.0)

    def turn_of(self, style: int) -> tuple[int, Flip]:
        """How a style is turned: degrees clockwise, and flipped before."""
        no: Flip = "no"
        return _each(self.style_rotate, style, 0), _each(self.style_flip, style, no)

    def losses_at(self, layer: str) -> dict[StyleLossName, float]:
        """Style loss -> its share of a style layer's weight."""
        return self.style_losses.get(layer) or {self.style_loss: 1.0}

    @property
    def inputs(self) -> tuple[tuple[str, Input], ...]:
        """What each picture that went in is to the recipe, and the picture."""
        found: list[tuple[str, Input | None]] = [
            ("content", self.content),
            *(("style", style) for style in self.styles),
            ("palette", self.palette),
        ]
        for regions in (self.regions, *(change.regions or () for change in self.changes)):
            found += [(f"mask {region.name}", region.mask) for region in regions]
            found += [(f"style-mask {region.name}", region.style_mask) for region in regions]
        return tuple((what, each) for what, each in found if each is not None)

    @property
    def style_shares(self) -> tuple[float, ...]:
        """The style weights, divided by their sum; equal shares when none were given."""
        weights = self.style_weights or (1.0,) * len(self.styles)
        return tuple(weight / sum(weights) for weight in weights)

    def after(self, done: int) -> Recipe:
        """The settings that the step after ``done`` iterations goes by, as a recipe without changes.

        A weight that was changed ends a strength, which measured another.
        """
        settings: dict[str, Any] = {}
        for change in self.changes:
            if change.at <= done:
                settings |= change.settings
        if not settings:
            return self.model_copy(update={"changes": ()}) if self.changes else self
        if {"content_weight", "style_weight"} & settings.keys():
            settings |= {"strength": None, "measured_for": None}
        return recipe_from(self.model_dump(exclude={"changes"}) | settings)

    def changed(self, done: int, given: Mapping[str, Any]) -> Recipe:
        """The recipe with settings that are others from the step after ``done`` iterations on.

        Raises:
            ParameterError: a setting that cannot be changed while painting, or a value out of range.
        """
        for name in given:
            if name not in CHANGEABLE and name in type(self).model_fields:
                raise ParameterError(
                    f"{name}: expected a setting that can be changed while painting ({', '.join(CHANGEABLE)})"
                )
            if name not in CHANGEABLE:
                raise unknown_name("change: setting", name, CHANGEABLE)
        there = {change.at: change.settings for change in self.changes}
        there[done] = there.get(done, {}) | dict(given)
        try:
            changes = [Change(at=at, **settings) for at, settings in sorted(there.items())]
        except ValidationError as error:
            raise ParameterError(complaint(error, "change")) from None
        return recipe_from(self.model_dump() | {"changes": changes})

    def before(self, done: int) -> Recipe:
        """The recipe without the changes after ``done`` iterations and later."""
        kept = tuple(change for change in self.changes if change.at < done)
        return self.model_copy(update={"changes": kept})

    def absolute(self) -> Recipe:
        """The same with the paths of palette, masks and first image good from anywhere."""
        return self.model_copy(
            update={
                "init": self.init if self.init in STARTS else str(Path(self.init).resolve()),
                "palette": self.palette and self.palette.absolute(),
                "regions": tuple(region.absolute() for region in self.regions),
                "changes": tuple(change.absolute() for change in self.changes),
            }
        )

    def to_toml(self) -> str:
        """The recipe as TOML; what is None is left out."""
        import tomli_w

        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    @classmethod
    def from_toml(cls, text: str, *, name: str = "recipe") -> Recipe:
        """The recipe that :meth:`to_toml` wrote.

        Raises:
            ParameterError: not TOML, an unknown field, or a value out of range.
        """
        return recipe_from(read_toml(text, name=name), name=name)


def _each(values: Sequence[T], number: int, default: T) -> T:
    """A style's own value, the one for all, or the default."""
    return values[number if len(values) > 1 else 0] if values else default


def read_toml(text: str, *, name: str) -> dict[str, Any]:
    """A TOML document as a dict; a ParameterError naming ``name`` when it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ParameterError(f"{name}: expected a recipe in TOML, got: {error}") from error


def recipe_from(values: dict[str, Any], *, name: str = "") -> Recipe:
    """A recipe of these values; a ParameterError in one line for the first that is wrong."""
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise ParameterError(complaint(error, name)) from None


def complaint(error: ValidationError, name: str, *, whole: bool = False) -> str:
    """The first of what is wrong with ``name``, in one line, and where in it unless it is wrong as a whole."""
    first = error.errors()[0]
    where = "" if whole else ".".join(str(part) for part in first["loc"])
    where = f"{name}: {where}" if name and where else where or name
    message = first["msg"].removeprefix("Value error, ").partition(", unable to parse")[0]
    if first["type"] == "value_error":
        return f"{name}: {message}" if name else message
    if first["type"] == "extra_forbidden":
        return f"{where}: no such setting"
    expected = message.removeprefix("Input should be ").replace("Input should have", "a value with")
    return f"{where}: expected {expected}, got {first['input']!r}"
