"""Every setting of a picture: its name, type, default, and the one text that says what it is.

The command line, its help, the JSON schema and the table in docs/settings.md derive from here. A new setting is one
entry, and whatever consumes it. The defaults are the engine's own; a preset (:mod:`impasto.recipes.presets`) changes
some of them, and what the user gives changes the rest.
"""

from __future__ import annotations

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
    StyleLossName,
    Weight,
)

Group = Literal[
    "Pictures",
    "What is painted",
    "Sizes and start",
    "How it is painted",
    "Network",
    "Machine",
    "Fine control",
]

PICTURES: Group = "Pictures"
OBJECTIVE: Group = "What is painted"
NETWORK: Group = "Network"
SIZES: Group = "Sizes and start"
SOLVER: Group = "How it is painted"
MACHINE: Group = "Machine"
FINE: Group = "Fine control"


def setting(default: Any, group: Group, description: str) -> Any:
    """A setting.

    Args:
        default: its value where nothing else says one.
        group: what it is listed with.
        description: what it is, in whole sentences.
    """
    return Field(default=default, description=description, json_schema_extra={"group": group})


class Settings(BaseModel):
    """All settings of one picture. Sizes are in pixels; grey levels count 255 to white."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # What goes in.
    content: Input | None = setting(None, PICTURES, "The picture whose content is kept.")
    styles: tuple[Input, ...] = setting((), PICTURES, "The pictures whose style is taken.")
    style_weights: tuple[Weight, ...] = setting(
        (), PICTURES, "Share of each of several styles, such as 0.7,0.3; equal shares where none are given."
    )
    style_scales: tuple[Scale, ...] = setting(
        (), PICTURES, "Stroke scale of each of several styles, such as 2,0.5; multiplied by style_scale."
    )
    style_rotate: tuple[Literal[0, 90, 180, 270], ...] = setting(
        (),
        PICTURES,
        "Rotate the style picture by 90, 180 or 270 degrees clockwise, strokes and all: one value, or "
        "one for each style, such as 0,90.",
    )
    style_flip: tuple[Flip, ...] = setting(
        (),
        PICTURES,
        "Mirror the style picture before it is rotated: no, horizontal or vertical; one value, or one "
        "for each style, such as horizontal,no.",
    )
    palette: Input | None = setting(None, PICTURES, "A picture whose colours the result gets.")
    regions: tuple[RegionOf, ...] = setting(
        (), PICTURES, "Parts of the picture, each with a mask and a style of its own."
    )

    # Whose colours it has (impasto.assembly.colors).
    color: Color = setting(
        "style",
        OBJECTIVE,
        "Whose colours the result has: style, the style's; keep, the photograph's, with only lightness "
        "taken from the painting; match, the photograph's, which the style picture is given before; "
        "palette, those of a third picture.",
    )
    color_match: ColorMatch = setting(
        "covariance",
        OBJECTIVE,
        "How match and palette recolour: covariance is smooth, histogram reproduces every shade.",
    )

    # What is minimised.
    preset: str = setting("impasto", OBJECTIVE, "The settings to begin with; `impasto presets` lists them.")
    content_weight: Weight = setting(1.0, OBJECTIVE, "Weight of the content loss (alpha).")
    style_weight: Weight = setting(20.0, OBJECTIVE, "Weight of the style loss (beta).")
    strength: Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)] | None = setting(
        None,
        OBJECTIVE,
        "How much style, from 0 (the photograph, almost untouched) to 1 (almost nothing of it left), in "
        "place of the two weights. It is measured for these pictures and stored as style_weight.",
    )
    measured_for: str | None = setting(
        None,
        FINE,
        "Digest of what style_weight was measured for, where it comes from a strength; written by impasto.",
    )
    tv_weight: Weight = setting(0.0, OBJECTIVE, "Weight of the total variation loss; more is smoother.")
    photo_weight: Weight = setting(
        0.0,
        OBJECTIVE,
        "Weight of the matting loss: neighbouring colours change only together, so that the result "
        "stays a photograph.",
    )
    content_layers: LayerWeights = setting(
        {"relu4_2": 1.0},
        OBJECTIVE,
        "Layers to compare the content at, with weights, such as relu4_2 or relu3_2=0.5,relu4_2.",
    )
    style_layers: LayerWeights = setting(
        {"relu1_1": 1.0, "relu2_1": 0.5, "relu3_1": 0.2, "relu4_1": 0.2, "relu5_1": 0.2},
        OBJECTIVE,
        "Layers to compare the style at, with weights, such as relu1_1=0.5,relu2_1. `impasto encoders` "
        "lists them.",
    )
    style_target_layers: dict[str, str] = setting(
        {},
        FINE,
        "Style layer of the result and the layer of the style picture that it is compared with, where "
        "that is another one, such as relu1_1=relu1_2.",
    )
    content_loss: ContentLossName = setting(
        "share",
        OBJECTIVE,
        "How the content is compared: share, self-similarity, or other tools' mean and half-sum.",
    )
    style_loss: StyleLossName = setting(
        "gram-share",
        OBJECTIVE,
        "How the style is compared: gram-share, mean-deviation, wasserstein, sliced-wasserstein, "
        "histogram, patches, relaxed-transport, or other tools' gram, gram-elements, gram-sums and "
        "wasserstein-newton-schulz. By layer: relu1_1=gram-share:0.2,relu4_1=patches:1, or several at "
        "one: relu4_1=gram-share:0.2+patches.",
    )
    style_losses: dict[str, Mix] = setting(
        {}, FINE, "Style losses of single layers with their shares, in place of style_loss."
    )
    tv_loss: SmoothnessLossName = setting(
        "absolute-mean",
        FINE,
        "How the total variation is measured: absolute differences of neighbours, summed or averaged, "
        "or a nine-point filter.",
    )
    photo_finish: Annotated[int, Field(ge=0, le=100)] = setting(
        0,
        OBJECTIVE,
        "At the end, recolour the photograph by one map in so many pixels around each, which keeps "
        "lines as straight as they were. 0 leaves the painting as it is.",
    )

    # The network.
    encoder: EncoderName | Literal["custom"] = setting("vgg19", NETWORK, "The network.")
    weights: Name | None = setting(
        None, NETWORK, "The network's weights: a name (`impasto encoders`), a file or a URL."
    )
    pooling: Literal["max", "average", "l2", "max-blur"] = setting(
        "max", NETWORK, "How the network shrinks its feature maps."
    )
    padding: Literal["zero", "replicate", "replicate-first", "reflect"] = setting(
        "zero", NETWORK, "What the network sees beyond the edge of the picture."
    )
    mean_pixel: tuple[Grey, Grey, Grey] | None = setting(
        None,
        FINE,
        "RGB mean that is subtracted from pictures, in grey levels, such as 123.68,116.78,103.94; the "
        "weights' own where not given.",
    )

    # Sizes and start.
    size: Pixels = setting(
        512, SIZES, "Size of the result in pixels, measured as fit says; 0 keeps the content's."
    )
    fit: Literal["long", "short", "height", "area"] = setting(
        "long",
        FINE,
        "What size measures: the long side, the short side, the height, or the side of a square of "
        "equal area.",
    )
    aspect: Annotated[float, Field(gt=0.01, lt=100.0)] | None = setting(
        None, FINE, "Width divided by height of the result; the content's where not given."
    )
    seamless: bool = setting(
        False, SIZES, "Make copies of the picture fit side by side; its sides become multiples of 16."
    )
    margin: Annotated[int, Field(ge=0, le=1000)] = setting(
        0,
        SIZES,
        "Pixels painted beyond every edge, where the photograph is mirrored, and then cut off, so that "
        "no edge turns grey.",
    )
    style_size: Pixels | None = setting(
        None,
        SIZES,
        "Size of the style pictures in pixels, measured as style_fit says; 0 keeps theirs. Where not "
        "given they follow the result's size.",
    )
    style_fit: Literal["long", "short", "height", "area"] = setting("long", FINE, "What style_size measures.")
    style_scale: Scale = setting(
        1.0, SIZES, "Scale of the style's strokes: 2 makes them larger, 0.5 smaller."
    )
    style_enlarge: bool = setting(True, FINE, "Enlarge style pictures that are smaller than asked for.")
    resample: Literal["bicubic", "bilinear"] = setting(
        "bicubic", FINE, "Interpolation for resizing pictures."
    )
    init: Name = setting(
        "content",
        SIZES,
        "The first image: content, style, noise, or a picture file to go on from, at the result's size "
        "alone.",
    )
    noise: Grey = setting(
        10.0, FINE, "Standard deviation of the noise that init = noise starts from, in grey levels."
    )
    init_noise: Share = setting(
        0.0,
        FINE,
        "Share of noise that is blended into a first image that is the content, the style or a file.",
    )
    smallest: Annotated[int, Field(ge=16)] = setting(128, FINE, "Long side of the coarsest level in pixels.")
    ratio: Annotated[float, Field(ge=1.1, le=16.0)] = setting(
        2.0, FINE, "Size of a level divided by that of the coarser one before it."
    )
    detail: Share = setting(0.5, FINE, "Share of the content's detail that is added when going up a level.")

    # How it is painted.
    engine: EngineName = setting(
        "optimize", SOLVER, "What paints the picture: optimize minimises the losses, iteration by iteration."
    )
    faithful: bool = setting(
        False, SOLVER, "Follow the preset's tool to the letter: its size, start, optimiser and iterations."
    )
    optimizer: Optimizer = setting(
        "lbfgs", SOLVER, "The solver: lbfgs, lbfgs-wolfe (with a strong Wolfe line search) or adam."
    )
    steps: Annotated[int, Field(ge=1, le=1000000)] = setting(250, SOLVER, "Iterations, over all levels.")
    coarser: Positive = setting(
        1.0, FINE, "How many times as many iterations a level gets as the finer one after it."
    )
    first_level: Positive = setting(
        1.0, FINE, "How many times as many iterations the coarsest level gets beside that."
    )
    learning_rate: Positive | None = setting(
        None,
        SOLVER,
        "Step length of the optimiser, in units of white_level; for lbfgs a share of the full step. "
        "What suits the optimiser where not given.",
    )
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = setting(
        (0.9, 0.99), FINE, "Decay rates of Adam's two moments, such as 0.9,0.99."
    )
    averaging: Annotated[float, Field(ge=0.0, lt=1.0)] = setting(
        0.0,
        FINE,
        "Decay rate of the moving average of Adam's iterates, which is the result; 0 averages nothing.",
    )
    history: Annotated[int, Field(ge=1)] = setting(20, FINE, "Curvature pairs that L-BFGS keeps.")
    history_memory: Annotated[int, Field(ge=0, le=1000000)] | None = setting(
        None,
        FINE,
        "Memory for those pairs in megabytes; where they take more they are kept in half precision, "
        "then in a file. 0 sets no limit. Where not given: 300, or a quarter of a GPU's free memory.",
    )
    initial_step_rms: Weight = setting(
        4.0,
        FINE,
        "Root mean square of L-BFGS's first step, in units of white_level; 0 takes the first two steps "
        "of torch.optim.LBFGS.",
    )
    spectral_exponent: Annotated[float, Field(ge=0.0, le=2.0)] = setting(
        0.25,
        FINE,
        "L-BFGS begins with steps whose amplitude falls with frequency f as f to the power of minus "
        "this; 0 with plain gradient steps.",
    )
    bounded: bool = setting(True, FINE, "Keep every value between black and white while painting.")
    white_level: Literal[1, 255] = setting(
        255, FINE, "What white is in the values that the optimiser works on."
    )
    min_relative_decrease: Annotated[float, Field(ge=0.0, lt=1.0)] = setting(
        0.0,
        FINE,
        "Share by which the loss must fall within 25 iterations for a level to go on; 0 never stops early.",
    )
    changes: tuple[Change, ...] = setting(
        (), FINE, "Settings that change while the picture is painted, each after a number of iterations."
    )

    # The machine.
    seed: Annotated[int, Field(ge=0, lt=2**63)] = setting(
        0, MACHINE, "Random seed; the same seed gives the same result."
    )
    device: Device = setting("auto", MACHINE, "Where to compute; auto takes a GPU if there is one.")
    precision: Precision = setting(
        "auto",
        MACHINE,
        "Number type of the network; auto takes the fastest. tf32 is float32 rounded by NVIDIA GPUs, "
        "three to five times as fast there.",
    )
    tile: Pixels = setting(
        2048,
        MACHINE,
        "Side in pixels of the tiles that larger pictures are computed in; smaller takes less memory "
        "and more time, and gives the same picture. 0 cuts nothing.",
    )
