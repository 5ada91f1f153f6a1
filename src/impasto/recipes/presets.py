"""The presets: the objectives of established tools, and impasto's own.

A preset defines the objective. ``faithful`` adds the tool's size, start, optimiser and iteration count. Without it
impasto's own schedule minimises the same objective.
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
    """A named set of settings.

    Attributes:
        summary: one line for `impasto presets`.
        objective: settings that define the objective.
        faithful: further settings of the tool itself; empty where the preset follows no tool.
        networks: encoder -> settings that the tool uses with this encoder.
    """

    summary: str
    objective: Mapping[str, Any]
    faithful: Mapping[str, Any] = field(default_factory=dict)
    networks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def _layers(*weights: float) -> dict[str, float]:
    """Weights of relu1_1 … relu5_1."""
    return {f"relu{block}_1": weight for block, weight in enumerate(weights, start=1)}


# torchvision's mean (0.485, 0.456, 0.406) in 0..255. It differs from Caffe's by half a grey level, which changes
# every loss by up to 0.6 %.
_IMAGENET_MEAN = (123.675, 116.28, 103.53)

# One size, without the features that these tools lack.
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
    # The tool divides by the sum of all six entries of its weight list: 4.2.
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

# Layers of networks other than VGG, in place of a preset's layers. The seed repository uses these.
_OTHER_NETWORKS: dict[str, dict[str, Any]] = {
    "mobilenet-v2": {
        "content_layers": {"features.3": 1.0},
        "style_layers": {f"features.{index}": 0.2 for index in (0, 3, 6, 9, 13)},
        "style_target_layers": {},
    },
}

PRESETS: dict[str, Preset] = {
    "impasto": Preset(
        "impasto's own: large strokes and fine texture, clean colours",
        {"margin": 8},
        {},
    ),
    "photo": Preset(
        "photorealistic: the photograph in the light and colours of another",
        {
            "photo_weight": 0.3,
            "photo_finish": 4,
            "margin": 8,
        },
        {},
    ),
    "textbook": Preset(
        "the paper's formulas as the seed repository explains them: sums without normalisation",
        {
            "content_weight": 1.0,
            "style_weight": 1e-9,
            "style_layers": _layers(1, 1, 1, 1, 1),
            "content_loss": "half-sum",
            "style_loss": "gram-sums",
            # Unnormalised Gram matrices grow with the number of pixels, so all pictures need equally many pixels.
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
            # As many iterations as reach the loss of the tool's own 1000 at 512 pixels, most of them at full size.
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
            # As many as reach the loss of the tool's own 3000 of Adam at 512 pixels, most of them at full size.
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
        "abhilashreddyy/Neural-Style-Transfer with its bug: relu5_1 is compared with the style's relu4_2",
        {**_SEED, "style_target_layers": {"relu5_1": "relu4_2"}},
        _SEED_FAITHFUL,
        _SEED_NETWORKS,
    ),
    "seed-fixed": Preset(
        "the seed preset with this bug fixed",
        _SEED,
        _SEED_FAITHFUL,
        _SEED_NETWORKS,
    ),
}


QUALITIES: dict[Quality, dict[str, Any]] = {
    "standard": {},
    # Large forms and colours are final; fine texture needs more iterations at full size.
    "draft": {"steps": 90, "coarser": 3.0},
}


def resolve(
    preset: str = "impasto", *, faithful: bool = False, quality: str = "standard", **given: Any
) -> Recipe:
    """The recipe of a preset, with some settings given.

    Args:
        preset: a name in :data:`PRESETS`.
        faithful: take the tool's own size, start, optimiser and iteration count where none is given.
        quality: "standard", or "draft" for a first look in a quarter of the time.
        given: fields of :class:`Recipe`; a value of None means not given.

    Raises:
        ParameterError: an unknown preset or field, a value out of range, ``faithful`` with a preset that follows no
            tool, or a strength together with a weight.
    """
    return _from_preset(preset, faithful=faithful, quality=quality, given=_merged({}, given))


def load_written(written: Mapping[str, Any], given: Mapping[str, Any]) -> Recipe:
    """The recipe of a complete or partial TOML document, with some settings changed.

    Args:
        written: any keyword of :func:`resolve`, ``preset`` included; missing settings come from the preset.
        given: as for :func:`change`.

    Raises:
        ParameterError: as :func:`resolve`.
    """
    values = _merged(written, given)
    return _from_preset(
        values.pop("preset", "impasto"),
        faithful=values.pop("faithful", False),
        quality=values.pop("quality", "standard"),
        given=values,
    )


def change(recipe: Recipe, given: Mapping[str, Any]) -> Recipe:
    """``recipe`` with some settings changed; a value of None means not given.

    Giving a weight removes the strength, which would measure another weight. Giving a strength replaces the weights.

    Raises:
        ParameterError: an unknown field, a value out of range, or a strength together with a weight.
    """
    return recipe_from(_merged(recipe.model_dump(), given))


def _merged(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """``before`` updated with ``given``, without the settings that the new ones make obsolete."""
    given = {name: value for name, value in given.items() if value is not None}
    weights = [name for name in ("content_weight", "style_weight") if name in given]
    if weights and "strength" in given:
        raise ParameterError(
            f"strength: expected without weights, since it replaces both, got {' and '.join(weights)} beside it"
        )
    obsolete: tuple[str, ...] = ("strength", "measured_for") if weights else ()
    if "init" in given:
        obsolete = (*obsolete, "init_sha256")
    if "palette" in given:
        given = {"color": "palette"} | given
    elif given.get("color", "palette") != "palette":
        obsolete = (*obsolete, "palette")
    if "style_loss" in given:  # of all layers
        obsolete = (*obsolete, "style_losses")
    return {name: value for name, value in before.items() if name not in obsolete} | given


def _from_preset(preset: object, *, faithful: bool, quality: str, given: Mapping[str, Any]) -> Recipe:
    if not isinstance(preset, str) or preset not in PRESETS:
        raise unknown_name("preset", str(preset), PRESETS)
    chosen = PRESETS[preset]
    if faithful and not chosen.faithful:
        raise ParameterError(f"faithful: expected a preset that follows a tool, got {preset!r}")
    if quality not in QUALITIES:
        raise unknown_name("quality", str(quality), QUALITIES)
    if faithful and quality != "standard":
        raise ParameterError(
            f"quality: expected standard, since a faithful run has the tool's own iterations, got {quality!r}"
        )
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
