"""The named recipes: what the established tools compute, and impasto's own.

A preset says what is minimised. ``faithful`` adds the tool's own size, start, optimiser and iteration count;
without it the engine's schedule minimises the same objective.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from impasto.errors import ParameterError, unknown_name
from impasto.recipes.fields import Quality
from impasto.recipes.recipe import Recipe, recipe_from


@dataclass(frozen=True)
class Preset:
    """A named recipe.

    Attributes:
        summary: one line for `impasto presets`.
        objective: settings that define what is minimised.
        faithful: further settings with which the tool itself works; empty where there is no such tool.
        networks: encoder -> settings that the tool uses with it.
    """

    summary: str
    objective: Mapping[str, Any]
    faithful: Mapping[str, Any] = field(default_factory=dict)
    networks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def _layers(*weights: float) -> dict[str, float]:
    """Weights of relu1_1 … relu5_1."""
    return {f"relu{block}_1": weight for block, weight in enumerate(weights, start=1)}


# torchvision's mean (0.485, 0.456, 0.406) in 0..255. It differs from Caffe's by half a grey level, and with that
# every loss by up to 0.6 %.
_IMAGENET_MEAN = (123.675, 116.28, 103.53)

# One size, with nothing that these tools do not do.
_SINGLE_SCALE = {
    "smallest": 100_000,
    "detail": 0.0,
    "min_relative_decrease": 0.0,
    "bounded": False,
    "white_level": 255,
    "coarser": 1.0,
}
_TORCH_LBFGS = {
    **_SINGLE_SCALE,
    "optimizer": "lbfgs",
    "history": 100,
    "history_memory": 0,
    "initial_step_rms": 0.0,
    "spectral_exponent": 0.0,
}

_SEED = {
    "content_weight": 2e6,
    "style_weight": 5e3,
    "tv_weight": 50.0,
    "content_layers": {"relu4_2": 1.0},
    # The tool divides by the sum of a sixth weight list entry too: 4.2.
    "style_layers": _layers(0.6 / 4.2, 1 / 4.2, 1 / 4.2, 1 / 4.2, 0.6 / 4.2),
    "content_loss": "mean",
    "style_loss": "gram",
    "tv_loss": "absolute-sum",
    "mean_pixel": _IMAGENET_MEAN,
}
_SEED_FAITHFUL = {
    **_SINGLE_SCALE,
    "size": 800,
    "fit": "height",
    "style_size": 0,
    "init": "noise",
    "noise": 90.0,
    "optimizer": "adam",
    "learning_rate": 10.0,
    "betas": (0.9, 0.999),
    "steps": 2500,
}

_SEED_NETWORKS = {"vgg16": {"content_layers": {"relu2_1": 1.0}}}

# Layers of networks that are no VGG, in place of a preset's: those that the seed uses.
_OTHER_NETWORKS: dict[str, dict[str, Any]] = {
    "mobilenet-v2": {
        "content_layers": {"features.3": 1.0},
        "style_layers": {f"features.{index}": 0.2 for index in (0, 3, 6, 9, 13)},
        "style_target_layers": {},
    },
}

PRESETS: dict[str, Preset] = {
    "impasto": Preset(
        "our own: large strokes and fine texture, clean colours",
        {"margin": 8},
        {},
    ),
    "photo": Preset(
        "a photograph that stays one, in the light and colours of another",
        {
            "photo_weight": 0.3,
            "photo_finish": 4,
            "margin": 8,
        },
        {},
    ),
    "textbook": Preset(
        "the formulas of the paper as the seed's text teaches them: sums, nothing normalised",
        {
            "content_weight": 1.0,
            "style_weight": 1e-9,
            "style_layers": _layers(1, 1, 1, 1, 1),
            "content_loss": "half-sum",
            "style_loss": "gram-sums",
            # Unnormalised Gram matrices grow with the number of pixels, so the pictures need as many.
            "style_fit": "area",
        },
        {},
    ),
    "gatys": Preset(
        "Gatys, Ecker, Bethge, CVPR 2016",
        {
            "content_weight": 1.0,
            "style_weight": 1e3,
            # (1 / 4 C²(HW)²) Σ (G − A)² is a quarter of the mean of squares of G / HW.
            "style_layers": _layers(*(0.05,) * 5),
            "content_loss": "half-sum",
            "style_loss": "gram",
        },
        {
            **_TORCH_LBFGS,
            "size": 512,
            "fit": "short",
            "style_fit": "short",
            "init": "noise",
            "steps": 500,
        },
    ),
    "gordic": Preset(
        "gordicaleksa/pytorch-neural-style-transfer",
        {
            "content_weight": 1e5,
            "style_weight": 3e4,
            "tv_weight": 1.0,
            "style_layers": _layers(*(0.2,) * 5),
            "content_loss": "mean",
            "style_loss": "gram",
            "tv_loss": "absolute-sum",
            "mean_pixel": _IMAGENET_MEAN,
        },
        {
            **_TORCH_LBFGS,
            "size": 400,
            "fit": "height",
            "style_fit": "height",
            "optimizer": "lbfgs-wolfe",
            "steps": 1000,
        },
    ),
    "neural-style": Preset(
        "ProGamerGov/neural-style-pt, after jcjohnson/neural-style",
        {
            "content_weight": 5.0,
            "style_weight": 100.0,
            "tv_weight": 1e-3,
            "style_layers": _layers(1, 1, 1, 1, 1),
            "content_loss": "mean",
            "style_loss": "gram-elements",
            "tv_loss": "absolute-sum",
        },
        {**_TORCH_LBFGS, "size": 512, "init": "noise", "noise": 0.001, "steps": 1000},
    ),
    "pastiche": Preset(
        "dstein64/pastiche",
        {
            "content_weight": 1.0,
            "style_weight": 1.0,
            "content_layers": {"relu4_2": 0.01},
            # 10 / C² times the mean of squares of G / HW is 10 times that of G / CHW.
            "style_layers": _layers(*(10.0,) * 5),
            "content_loss": "mean",
            "style_loss": "gram-elements",
            "tv_loss": "absolute-mean",
            "style_fit": "area",
            "resample": "bilinear",
            # What its own 1000 iterations reach at 512 pixels takes this many, most of them at full size.
            "steps": 400,
            "coarser": 0.5,
        },
        {**_TORCH_LBFGS, "size": 500, "fit": "area", "steps": 1000},
    ),
    "crowson": Preset(
        "crowsonkb/style-transfer-pytorch",
        {
            "content_weight": 0.015,
            "style_weight": 1.0,
            "tv_weight": 2.0,
            "style_layers": _layers(256 / 341, 64 / 341, 16 / 341, 4 / 341, 1 / 341),
            "content_loss": "mean",
            "style_loss": "wasserstein-newton-schulz",
            "tv_loss": "nine-point",
            "padding": "replicate-first",
            "mean_pixel": _IMAGENET_MEAN,
            # What its own 3000 iterations of Adam reach at 512 pixels takes this many, most of them at full size.
            "steps": 520,
            "coarser": 0.5,
        },
        {
            **_SINGLE_SCALE,
            "size": 512,
            "style_enlarge": False,
            "smallest": 128,
            "ratio": 2**0.5,
            "optimizer": "adam",
            "learning_rate": 0.02,
            "betas": (0.9, 0.99),
            "averaging": 0.99,
            "bounded": True,
            "white_level": 1,
            "steps": 3000,
            "first_level": 2.0,
        },
    ),
    "seed": Preset(
        "abhilashreddyy/Neural-Style-Transfer as it is, mistake included: relu5_1 follows the style's relu4_2",
        {**_SEED, "style_target_layers": {"relu5_1": "relu4_2"}},
        _SEED_FAITHFUL,
        _SEED_NETWORKS,
    ),
    "seed-fixed": Preset(
        "the same with that mistake mended",
        _SEED,
        _SEED_FAITHFUL,
        _SEED_NETWORKS,
    ),
}


QUALITIES: dict[Quality, dict[str, Any]] = {
    "standard": {},
    # Right in its large forms and colours; what is missing is iterations at full size.
    "draft": {"steps": 90, "coarser": 3.0},
}


def resolve(
    preset: str = "impasto", *, faithful: bool = False, quality: str = "standard", **given: Any
) -> Recipe:
    """The recipe of a preset with the settings that were given.

    Args:
        preset: a name out of :data:`PRESETS`.
        faithful: take the tool's own size, start, optimiser and iteration count where none is given.
        quality: "standard", or "draft" for a first look in a quarter of the time.
        given: fields of :class:`Recipe`; a value of None means not given.

    Raises:
        ParameterError: an unknown preset or field, a value out of range, ``faithful`` where there is no tool to be
            faithful to, or a strength beside a weight.
    """
    return _of_preset(preset, faithful=faithful, quality=quality, given=_settled({}, given))


def reopen(written: Mapping[str, Any], given: Mapping[str, Any]) -> Recipe:
    """The recipe that was written down, whole or in part, with some settings changed.

    Args:
        written: what :func:`resolve` takes, ``preset`` among it; the rest is the preset's.
        given: as for :func:`change`.

    Raises:
        ParameterError: as :func:`resolve`.
    """
    values = _settled(written, given)
    return _of_preset(
        values.pop("preset", "impasto"),
        faithful=values.pop("faithful", False),
        quality=values.pop("quality", "standard"),
        given=values,
    )


def change(recipe: Recipe, given: Mapping[str, Any]) -> Recipe:
    """``recipe`` with some settings changed; a value of None means not given.

    A weight that is given ends a strength, which would measure another; a strength that is given measures its own.

    Raises:
        ParameterError: an unknown field, a value out of range, or a strength given beside a weight.
    """
    return recipe_from(_settled(recipe.model_dump(), given))


def _settled(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """``before`` with what was given in its place."""
    given = {name: value for name, value in given.items() if value is not None}
    weights = [name for name in ("content_weight", "style_weight") if name in given]
    if weights and "strength" in given:
        raise ParameterError(
            f"strength: expected alone, since it stands for both weights, got {' and '.join(weights)} beside it"
        )
    ended = ("strength", "measured_for") if weights else ()
    if "palette" in given:
        given = {"color": "palette"} | given
    elif given.get("color", "palette") != "palette":
        ended = (*ended, "palette")
    if "style_loss" in given:  # of all layers
        ended = (*ended, "style_losses")
    return {name: value for name, value in before.items() if name not in ended} | given


def _of_preset(preset: object, *, faithful: bool, quality: str, given: Mapping[str, Any]) -> Recipe:
    if not isinstance(preset, str) or preset not in PRESETS:
        raise unknown_name("preset", str(preset), PRESETS)
    chosen = PRESETS[preset]
    if faithful and not chosen.faithful:
        raise ParameterError(f"faithful: expected a preset that follows a tool, got {preset!r}")
    if quality not in QUALITIES:
        raise unknown_name("quality", str(quality), QUALITIES)
    if faithful and quality != "standard":
        raise ParameterError(f"quality: a faithful run has the tool's own iterations, got {quality!r}")
    encoder = str(given.get("encoder"))
    values = {
        **chosen.objective,
        **(chosen.faithful if faithful else {}),
        **QUALITIES[quality],
        **chosen.networks.get(encoder, {}),
        **_OTHER_NETWORKS.get(encoder, {}),
        "preset": preset,
        "faithful": faithful,
        **given,
    }
    return recipe_from(values)
