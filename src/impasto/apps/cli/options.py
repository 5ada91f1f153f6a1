"""The options that say what is painted and how, and what looks at it: the same for every command that has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter, Token

from impasto.errors import ParameterError
from impasto.recipes.fields import (
    ColorMatch,
    ContentLossName,
    Device,
    EncoderName,
    Optimizer,
    Precision,
    Quality,
)
from impasto.recipes.parsing import (
    parse_layers,
    parse_memory,
    parse_names,
    parse_regions,
    parse_style_loss,
    parse_turns,
    parse_weights,
)

if TYPE_CHECKING:
    from impasto.recipes.recipe import Recipe


def whole(kind: object, tokens: Sequence[Token]) -> int:
    """Converts what must be a whole number; cyclopts by itself rounds 1.5 to 2."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"expected a whole number, got {tokens[0].value!r}") from None


_OBJECTIVE = Parameter(group=Group("What is painted", sort_key=1))
_REGION = Parameter(group=Group("Regions", sort_key=2), negative=(), consume_multiple=False)
_SIZE = Parameter(group=Group("Sizes and start", sort_key=2))
_SOLVER = Parameter(group=Group("How it is painted", sort_key=3))
_NETWORK = Parameter(group=Group("Network", sort_key=4))
_MACHINE = Parameter(group=Group("Machine", sort_key=5))
_WHOLE = Parameter(converter=whole)
_FLAG = Parameter(negative=())


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Which network looks at pictures, and where; None where nothing was given.

    Parameters
    ----------
    encoder
        The network.
    weights
        Its weights: a name (`impasto encoders`), a file or a URL.
    pooling
        How the network shrinks its feature maps.
    padding
        What the network sees beyond the edge.
    device
        Where to compute; auto takes a GPU if there is one.
    precision
        Number type of the network. tf32 is float32 rounded by NVIDIA's GPUs, three to five times as fast there.
    max_pixels
        Refuse larger pictures.
    """

    encoder: Annotated[EncoderName | None, _NETWORK] = None
    weights: Annotated[str | None, _NETWORK] = None
    pooling: Annotated[Literal["max", "average", "l2", "max-blur"] | None, _NETWORK] = None
    padding: Annotated[Literal["zero", "replicate", "reflect"] | None, _NETWORK] = None
    device: Annotated[Device | None, _MACHINE] = None
    precision: Annotated[Precision | None, _MACHINE] = None
    max_pixels: Annotated[int, _MACHINE, _WHOLE] = 100_000_000

    def network(self) -> dict[str, Any]:
        """What was given, as keyword arguments.

        Raises:
            ParameterError: an option is wrong.
        """
        self.check_max_pixels()
        values = {field.name: getattr(self, field.name) for field in fields(NetworkOptions)}
        return {name: value for name, value in values.items() if value is not None}

    def check_max_pixels(self) -> None:
        """Refuse a limit that lets nothing through."""
        if self.max_pixels < 1:
            raise ParameterError(f"--max-pixels: expected 1 or more, got {self.max_pixels}")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ObjectiveOptions(NetworkOptions):
    """What is minimised, and with which network; None where nothing was given.

    Parameters
    ----------
    preset
        What is minimised; `impasto presets` lists them. The default is impasto.
    content_weight
        How much the content counts (alpha).
    style_weight
        How much the style counts (beta).
    tv_weight
        How much smoothness counts (total variation).
    photo_weight
        How much it counts that the picture stays a photograph: that colours beside each other change alike.
    style_weights
        Shares of several styles, such as 0.7,0.3.
    style_loss
        How two styles are compared: gram-share, mean-deviation, wasserstein, sliced-wasserstein, histogram, patches,
        relaxed-transport, or other tools' gram, gram-elements, gram-sums and wasserstein-newton-schulz. By layer:
        relu1_1=gram-share:0.2,relu4_1=patches:1, or several at one: relu4_1=gram-share:0.2+patches.
    content_loss
        How the content is compared: share, self-similarity, or other tools' mean and half-sum.
    content_layers
        Layers to compare the content at, such as relu4_2 or relu3_2=0.5,relu4_2.
    style_layers
        Layers to compare the style at, such as relu1_1=0.5,relu2_1. `impasto encoders` lists them.
    style_size
        Long side of the style pictures in pixels; 0 keeps theirs. Without it they follow the result's size.
    style_scale
        Makes the style's strokes larger (2) or smaller (0.5).
    style_scales
        The same for each of several styles, such as 2,0.5; beside style_scale.
    style_rotate
        Turns the style by 90, 180 or 270 degrees clockwise, strokes and all; or each of several, such as 0,90.
    style_flip
        Mirrors the style before: horizontal, vertical or no; or each of several, such as horizontal,no.
    mask
        A region, NAME=PICTURE: white where it is, black elsewhere, grey for soft edges. Given several times, each
        region takes the style picture in its place, or the blend of all where their numbers differ.
    style_mask
        NAME=PICTURE: white where the style of a region is in the style picture.
    region
        More about a region, such as sky=style:2,weight:1.5,loss:wasserstein; or face=keep, which leaves it as it was.
    seamless
        Copies of the picture can be laid side by side; its sides become multiples of 16.
    color
        Whose colours it has: the style's, or the photograph's: keep takes only lightness from the painting, match
        recolours the style before.
    palette
        A picture whose colours it has.
    color_match
        How match and --palette recolour: covariance is smooth, histogram takes every shade.
    faithful
        Follow the preset's tool to the letter: its size, start, optimiser and iterations.
    recipe
        Repeat a picture: a picture painted by impasto, or a .toml file. Options given beside it change it.
    """

    preset: Annotated[str | None, _OBJECTIVE] = None
    content_weight: Annotated[float | None, _OBJECTIVE] = None
    style_weight: Annotated[float | None, _OBJECTIVE] = None
    tv_weight: Annotated[float | None, _OBJECTIVE] = None
    photo_weight: Annotated[float | None, _OBJECTIVE] = None
    style_weights: Annotated[str | None, _OBJECTIVE] = None
    style_loss: Annotated[str | None, _OBJECTIVE] = None
    content_loss: Annotated[ContentLossName | None, _OBJECTIVE] = None
    content_layers: Annotated[str | None, _OBJECTIVE] = None
    style_layers: Annotated[str | None, _OBJECTIVE] = None
    style_size: Annotated[int | None, _SIZE, _WHOLE] = None
    style_scale: Annotated[float | None, _SIZE] = None
    style_scales: Annotated[str | None, _SIZE] = None
    style_rotate: Annotated[str | None, _SIZE] = None
    style_flip: Annotated[str | None, _SIZE] = None
    mask: Annotated[list[str] | None, _REGION] = None
    style_mask: Annotated[list[str] | None, _REGION] = None
    region: Annotated[list[str] | None, _REGION] = None
    seamless: Annotated[bool | None, _SIZE, _FLAG] = None
    color: Annotated[Literal["style", "keep", "match"] | None, _OBJECTIVE] = None
    palette: Annotated[Path | None, _OBJECTIVE] = None
    color_match: Annotated[ColorMatch | None, _OBJECTIVE] = None
    faithful: Annotated[bool | None, _SOLVER, _FLAG] = None
    recipe: Annotated[Path | None, _SOLVER] = None

    def build_recipe(self, changes: Mapping[str, Any] | None = None) -> Recipe:
        """The recipe of a preset, a .toml file or a painted picture, with what was given.

        Args:
            changes: settings that count beside what was given, and before it.

        Raises:
            ParameterError: an option is wrong, or the recipe cannot be read.
        """
        self.check_max_pixels()
        own = ("recipe", "memory", "max_pixels")
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in own}
        for name, parse in _PARSERS.items():
            if values.get(name) is not None:
                values[name] = parse(values[name], option=f"--{name.replace('_', '-')}")
        if values.get("style_loss") is not None:
            losses = parse_style_loss(values.pop("style_loss"), option="--style-loss")
            if "style_layers" in losses and values["style_layers"] is not None:
                raise ParameterError("--style-layers: not together with a --style-loss that names the layers")
            values |= losses
        regions = parse_regions(*(values.pop(name) or [] for name in ("mask", "style_mask", "region")))
        if regions:
            values["regions"] = regions
        given = {name: value for name, value in values.items() if value is not None}
        return _build(self.recipe, given | dict(changes or {}))


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options(ObjectiveOptions):
    """What was given; None where nothing was.

    Parameters
    ----------
    photo_finish
        At the end the picture becomes the photograph recoloured, by one map in so many pixels around each: lines are
        as straight as they were. 0 leaves it as it was painted.
    strength
        How much style, from 0 (the photograph, all but untouched) to 1 (next to nothing of it), in place of the two
        weights: about the same for any pictures, preset and size.
    size
        Long side of the result in pixels; 0 keeps the content's size.
    margin
        Pixels painted beyond every edge, where the photograph is mirrored, and cut off: so no edge turns grey.
    init
        The first image: content, style, noise, or a file to go on from, at the result's size alone.
    quality
        standard, or draft: a first look in a quarter of the time.
    steps
        Iterations, over all sizes.
    optimizer
        lbfgs, lbfgs-wolfe (with a line search) or adam.
    learning_rate
        Step length of the optimiser.
    seed
        Makes runs repeatable; another seed, another noise.
    tile
        Side of the tiles that larger pictures are computed in, in pixels: smaller takes less memory and more time,
        the picture is the same. 0 cuts nothing.
    memory
        The most that may be used, such as 4GB; without it what the machine has free. `impasto plan` says what a
        picture takes.
    """

    photo_finish: Annotated[int | None, _OBJECTIVE, _WHOLE] = None
    strength: Annotated[float | None, _OBJECTIVE] = None
    size: Annotated[int | None, _SIZE, _WHOLE] = None
    margin: Annotated[int | None, _SIZE, _WHOLE] = None
    init: Annotated[str | None, _SIZE] = None
    quality: Annotated[Quality | None, _SOLVER] = None
    steps: Annotated[int | None, _SOLVER, _WHOLE] = None
    optimizer: Annotated[Optimizer | None, _SOLVER] = None
    learning_rate: Annotated[float | None, _SOLVER] = None
    seed: Annotated[int | None, _SOLVER, _WHOLE] = None
    tile: Annotated[int | None, _MACHINE, _WHOLE] = None
    memory: Annotated[str | None, _MACHINE] = None

    def given(self) -> set[str]:
        """The names of the options that were given."""
        return {field.name for field in fields(self) if getattr(self, field.name) is not None}

    def asked(self) -> set[str] | None:
        """The settings that were given beside a recipe; None without one, where all are what was asked for."""
        return None if self.recipe is None else self.given()

    @property
    def memory_bytes(self) -> int | None:
        """What ``memory`` says, in bytes."""
        return None if self.memory is None else parse_memory(self.memory, option="--memory")


_PARSERS: dict[str, Any] = {
    "palette": lambda path, option: {"path": str(path)},
    "style_weights": parse_weights,
    "style_scales": parse_weights,
    "style_rotate": parse_turns,
    "style_flip": parse_names,
    "content_layers": parse_layers,
    "style_layers": parse_layers,
}

UNCHANGED = Options()


def _build(file: Path | None, given: Mapping[str, Any]) -> Recipe:
    from impasto.recipes.presets import reopen, resolve
    from impasto.recipes.validation import read_toml

    if file is None:
        return resolve(**given)
    if {"preset", "faithful", "quality"} & given.keys():
        raise ParameterError(
            "--preset, --faithful, --quality: not together with --recipe, which says what they would"
        )
    if file.suffix.lower() == ".toml":
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ParameterError(f"--recipe: cannot read {file}: {error}") from None
    else:
        from impasto import images

        text = images.read_metadata(file)
    return reopen(read_toml(text, name=file.name), given)


def pictures(settings: Recipe, content: Path | None, styles: list[Path]) -> tuple[Path, list[Path]]:
    """The pictures given, or else those that the recipe names."""
    if content is None and settings.content is not None:
        content = Path(settings.content.path)
    styles = styles or [Path(style.path) for style in settings.styles]
    if content is None:
        raise ParameterError("CONTENT: expected the picture to paint, got none")
    if not styles:
        raise ParameterError("STYLE: expected at least one picture whose style to take, got none")
    settings.check_styles(len(styles))
    return content, styles
