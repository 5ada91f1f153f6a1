"""Every setting of a picture: its name, type, default and description.

The command line, its help, the JSON schema and the table in docs/settings.md derive from this file. A new setting is
one entry here, plus the code that uses it. A preset (:mod:`impasto.recipes.presets`) overrides some defaults; the
user's settings override both.
"""

from __future__ import annotations

import textwrap
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from impasto.recipes.fields import (
    Change,
    Color,
    ColorMatch,
    ContentLossName,
    Device,
    EncoderName,
    EngineName,
    Flip,
    Grey,
    Input,
    LayerWeights,
    Mix,
    Name,
    Optimizer,
    Pixels,
    Positive,
    Precision,
    RegionOf,
    Scale,
    Share,
    SmoothnessLossName,
    Start,
    StyleLossName,
    Weight,
)

Group = Literal[
    "Common",
    "Pictures",
    "Objective",
    "Sizes and start",
    "Optimisation",
    "Network",
    "Machine",
    "Fine control",
]

COMMON: Group = "Common"
PICTURES: Group = "Pictures"
OBJECTIVE: Group = "Objective"
NETWORK: Group = "Network"
SIZES: Group = "Sizes and start"
SOLVER: Group = "Optimisation"
MACHINE: Group = "Machine"
FINE: Group = "Fine control"


def setting(default: Any, group: Group, description: str, *, short: str | None = None) -> Any:
    """A setting.

    Args:
        default: its value where neither the preset nor the user gives one.
        group: the heading that lists it in help and documentation, in the order of this file.
        description: in full sentences.
        short: the short form of its option, such as "-s".
    """
    extra: dict[str, Any] = {"group": group} | ({"short": short} if short else {})
    return Field(default=default, description=description, json_schema_extra=extra)


class Settings(BaseModel):
    """All settings of one picture. Sizes are in pixels; grey levels run from 0 (black) to 255 (white)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Input pictures.
    content: Input | None = setting(None, PICTURES, "The content picture.")
    styles: tuple[Input, ...] = setting((), PICTURES, "The style pictures.")

    # Common.
    size: Pixels = setting(
        512,
        COMMON,
        "Size of the result in pixels, measured as fit says; 0 keeps the content picture's size.",
        short="-s",
    )
    strength: Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)] | None = setting(
        None,
        COMMON,
        "Amount of style, from 0 (almost the content picture) to 1 (almost no content left), in place of "
        "the two weights. A measurement on these pictures converts it to a style_weight.",
    )
    style_weight: Weight = setting(20.0, COMMON, "Weight of the style loss (beta).", short="-w")
    color: Color = setting(
        "style",
        COMMON,
        "Source of the result's colours. style: the style picture. keep: the content; only lightness is "
        "stylized. match: the content; the style picture is recoloured first. palette: a third picture.",
    )
    steps: Annotated[int, Field(ge=1, le=1000000)] = setting(
        250, COMMON, "Iterations over all levels.", short="-n"
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = setting(
        0, COMMON, "Random seed; the same seed gives the same result."
    )
    preset: str = setting(
        "impasto",
        COMMON,
        "Preset that provides the default settings; `impasto presets` lists all.",
        short="-p",
    )
    device: Device = setting(
        "auto",
        COMMON,
        "Device to compute on: cpu, cuda, mps, or one of several GPUs, such as cuda:1. auto chooses a GPU if "
        "there is one.",
    )

    # More about the pictures.
    style_weights: tuple[Weight, ...] = setting(
        (), PICTURES, "Shares of several styles in their blend, such as 0.7,0.3. The default is equal shares."
    )
    style_scales: tuple[Scale, ...] = setting(
        (),
        PICTURES,
        "Stroke scale of each of several styles, such as 2,0.5. It is multiplied by style_scale.",
    )
    style_rotate: tuple[Literal[0, 90, 180, 270], ...] = setting(
        (),
        PICTURES,
        "Rotate the style picture clockwise by 90, 180 or 270 degrees: one value, or one for each "
        "style, such as 0,90. Its strokes rotate with it.",
    )
    style_flip: tuple[Flip, ...] = setting(
        (),
        PICTURES,
        "Mirror the style picture before the rotation: no, horizontal or vertical. One value, or one "
        "for each style, such as horizontal,no.",
    )
    palette: Input | None = setting(None, PICTURES, "A picture that provides the result's colours.")
    regions: tuple[RegionOf, ...] = setting(
        (), PICTURES, "Regions of the picture, each with its own mask and style."
    )

    # Colours (impasto.assembly.colors).
    color_match: ColorMatch = setting(
        "covariance",
        OBJECTIVE,
        "Recolouring method of match and palette: covariance is smooth, histogram reproduces every shade.",
    )

    # The objective.
    content_weight: Weight = setting(1.0, OBJECTIVE, "Weight of the content loss (alpha).")
    measured_for: str | None = setting(
        None,
        FINE,
        "Digest of the pictures and settings that a strength's style_weight was measured for. Written by "
        "impasto.",
    )
    tv_weight: Weight = setting(
        0.0, OBJECTIVE, "Weight of the total variation loss. A larger weight gives a smoother result."
    )
    photo_weight: Weight = setting(
        0.0,
        OBJECTIVE,
        "Weight of the matting Laplacian loss. It keeps the result photorealistic, since it penalises "
        "colour changes that are not affine within a neighbourhood.",
    )
    content_layers: LayerWeights = setting(
        {"relu4_2": 1.0},
        OBJECTIVE,
        "Layers of the content loss, with weights, such as relu4_2 or relu3_2=0.5,relu4_2.",
    )
    style_layers: LayerWeights = setting(
        {"relu1_1": 1.0, "relu2_1": 0.5, "relu3_1": 0.2, "relu4_1": 0.2, "relu5_1": 0.2},
        OBJECTIVE,
        "Layers of the style loss, with weights, such as relu1_1=0.5,relu2_1. `impasto encoders` lists "
        "all layers.",
    )
    style_target_layers: dict[str, str] = setting(
        {},
        FINE,
        "Pairs of a style layer and the layer of the style picture to compare it with, where the two "
        "differ, such as relu1_1=relu1_2.",
    )
    content_loss: ContentLossName = setting(
        "share",
        OBJECTIVE,
        "Content loss: share, self-similarity, or the normalisations of other tools, mean and half-sum.",
    )
    style_loss: StyleLossName = setting(
        "gram-share",
        OBJECTIVE,
        "Style loss: gram-share, mean-deviation, wasserstein, sliced-wasserstein, histogram, patches, "
        "relaxed-transport, or the losses of other tools, gram, gram-elements, gram-sums and "
        "wasserstein-newton-schulz. By layer: relu1_1=gram-share:0.2,relu4_1=patches:1. Several at one "
        "layer: relu4_1=gram-share:0.2+patches.",
    )
    style_losses: dict[str, Mix] = setting(
        {}, FINE, "Style losses of single layers with their shares, in place of style_loss."
    )
    tv_loss: SmoothnessLossName = setting(
        "absolute-mean",
        FINE,
        "Total variation loss: absolute differences of neighbouring pixels, summed or averaged, or a "
        "nine-point filter.",
    )
    photo_finish: Annotated[int, Field(ge=0, le=100)] = setting(
        0,
        OBJECTIVE,
        "Radius in pixels of a guided filter at the end: each pixel of the photograph is recoloured by "
        "an affine map fitted to its neighbourhood. Edges stay those of the photograph. 0 turns it off.",
    )

    # The network.
    encoder: EncoderName | Literal["custom"] = setting("vgg19", NETWORK, "The encoder network.")
    weights: Name | None = setting(
        None, NETWORK, "The encoder's weights: a name (`impasto encoders`), a file or a URL."
    )
    pooling: Literal["max", "average", "l2", "max-blur"] = setting("max", NETWORK, "Pooling of the encoder.")
    padding: Literal["zero", "replicate", "replicate-first", "reflect"] = setting(
        "zero", NETWORK, "Padding of the encoder's convolutions."
    )
    mean_pixel: tuple[Grey, Grey, Grey] | None = setting(
        None,
        FINE,
        "RGB mean subtracted from pictures, in grey levels, such as 123.68,116.78,103.94. The default is "
        "the mean of the weights.",
    )

    # Sizes and start.
    fit: Literal["long", "short", "height", "area"] = setting(
        "long",
        FINE,
        "Measure of size: the long side, the short side, the height, or the side of the square of equal "
        "area.",
    )
    aspect: Annotated[float, Field(gt=0.01, lt=100.0)] | None = setting(
        None, FINE, "Width divided by height of the result. The default is the content picture's."
    )
    seamless: bool = setting(
        False, SIZES, "Make the result tile seamlessly. Its sides become multiples of 16."
    )
    margin: Annotated[int, Field(ge=0, le=1000)] = setting(
        0,
        SIZES,
        "Width in pixels of a border that is painted around the picture, on mirrored content, and then "
        "cropped. It prevents grey edges.",
    )
    style_size: Pixels | None = setting(
        None,
        SIZES,
        "Size of the style pictures in pixels, measured as style_fit says; 0 keeps their sizes. The "
        "default follows the result's size.",
    )
    style_fit: Literal["long", "short", "height", "area"] = setting("long", FINE, "Measure of style_size.")
    style_scale: Scale = setting(
        1.0, SIZES, "Scale of the style's strokes: 2 doubles their size, 0.5 halves it."
    )
    style_enlarge: bool = setting(True, FINE, "Enlarge style pictures that are smaller than style_size.")
    resample: Literal["bicubic", "bilinear"] = setting(
        "bicubic", FINE, "Interpolation for resizing pictures."
    )
    init: Start = setting(
        "content",
        SIZES,
        "The first image: content, style, noise, or a picture file. From a file, all iterations "
        "run at the result's size.",
    )
    init_sha256: str = setting(
        "", FINE, "SHA-256 of the first image where init is a file. Written by impasto."
    )
    noise: Grey = setting(10.0, FINE, "Standard deviation of the noise in grey levels, where init is noise.")
    init_noise: Share = setting(
        0.0,
        FINE,
        "Share of noise blended into the first image where init is content, style or a file.",
    )
    smallest: Annotated[int, Field(ge=16)] = setting(128, FINE, "Long side of the coarsest level in pixels.")
    ratio: Annotated[float, Field(ge=1.1, le=16.0)] = setting(
        2.0, FINE, "Size of a level divided by the size of the next coarser level."
    )
    detail: Share = setting(
        0.5, FINE, "Share of the content's detail added at the transition to the next finer level."
    )

    # How it is painted.
    engine: EngineName = setting(
        "optimize", SOLVER, "What paints the picture: optimize minimises the losses, iteration by iteration."
    )
    faithful: bool = setting(
        False, SOLVER, "Use the size, start, optimiser and iterations of the tool that the preset follows."
    )
    optimizer: Optimizer = setting(
        "lbfgs", SOLVER, "Optimiser: lbfgs, lbfgs-wolfe (with a strong Wolfe line search) or adam."
    )
    coarser: Positive = setting(1.0, FINE, "Iterations of a level divided by those of the next finer level.")
    first_level: Positive = setting(1.0, FINE, "Additional factor on the iterations of the coarsest level.")
    learning_rate: Positive | None = setting(
        None,
        SOLVER,
        "Learning rate. For adam a step length, on a scale on which white is white_level; for lbfgs a "
        "share of the full step. The default depends on the optimiser.",
    )
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = setting(
        (0.9, 0.99), FINE, "Adam's decay rates beta1 and beta2, such as 0.9,0.99."
    )
    averaging: Annotated[float, Field(ge=0.0, lt=1.0)] = setting(
        0.0,
        FINE,
        "Decay rate of a moving average of Adam's iterates, whose last value is the result. 0 turns "
        "averaging off.",
    )
    history: Annotated[int, Field(ge=1)] = setting(20, FINE, "Number of curvature pairs in L-BFGS's history.")
    history_memory: Annotated[int, Field(ge=0, le=1000000)] | None = setting(
        None,
        FINE,
        "Memory for L-BFGS's history in megabytes. A larger history is stored in half precision, or in a "
        "file where that is still too large. 0 sets no limit. The default is 300, or a quarter of a GPU's "
        "free memory.",
    )
    initial_step_rms: Weight = setting(
        4.0,
        FINE,
        "Root mean square of L-BFGS's first step, in grey levels. With 0 the first two steps are those of "
        "torch.optim.LBFGS.",
    )
    spectral_exponent: Annotated[float, Field(ge=0.0, le=2.0)] = setting(
        0.25,
        FINE,
        "Exponent p of L-BFGS's preconditioner: the first steps have amplitudes proportional to f to the "
        "power of -p at spatial frequency f. With 0 they are plain gradient steps.",
    )
    bounded: bool = setting(True, FINE, "Clamp every value between black and white during the optimisation.")
    white_level: Literal[1, 255] = setting(255, FINE, "Value of white in the optimiser's variables.")
    min_relative_decrease: Annotated[float, Field(ge=0.0, lt=1.0)] = setting(
        0.0,
        FINE,
        "A level stops early where its loss falls by less than this share within 25 iterations. 0 never "
        "stops early.",
    )
    changes: tuple[Change, ...] = setting(
        (), FINE, "Settings that change during the optimisation, each after a number of iterations."
    )

    # The machine.
    precision: Precision = setting(
        "auto",
        MACHINE,
        "Number type of the encoder; auto chooses the fastest. tf32 is float32 with rounded products on "
        "NVIDIA GPUs, three to five times as fast as fp32.",
    )
    tile: Pixels = setting(
        2048,
        MACHINE,
        "Side in pixels of the tiles of larger pictures. Smaller tiles take less memory and more time, "
        "and give the same picture. 0 turns tiling off.",
    )


def attributes() -> str:
    """The section of a docstring that describes every setting."""
    lines = ["    Attributes:"]
    for name, field in Settings.model_fields.items():
        text = f"{name}: {field.description} Default: {field.default!r}."
        lines += textwrap.wrap(text, 112, initial_indent=" " * 8, subsequent_indent=" " * 12)
    return "\n".join(lines) + "\n    "
