"""The options for a recipe's settings, identical in all commands that have them.

Names, types, groups and help come from :class:`impasto.recipes.settings.Settings`. This file adds only the options of
settings that have no option of the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, fields, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from cyclopts import Group, Parameter

from impasto.apps.cli.inputs import check_pictures
from impasto.apps.cli.parameters import GROUPS, WholeNumber, whole_number
from impasto.apps.cli.recipes import read_recipe_file
from impasto.errors import ParameterError
from impasto.recipes.fields import Input, Quality
from impasto.recipes.parsing import (
    kind_of,
    parse_memory,
    parse_regions,
    parse_setting,
    parse_style_loss,
    spell,
)
from impasto.recipes.presets import resolve
from impasto.recipes.settings import Settings

if TYPE_CHECKING:
    from impasto.recipes.recipe import Recipe

T = TypeVar("T")

GIVEN_OTHERWISE = {
    "content": "the first picture",
    "styles": "the other pictures",
    "regions": "--mask, --style-mask, --region",
    "style_losses": "--style-loss",
    "changes": "impasto resume --set",
    "measured_for": "written by --strength",
    "init_sha256": "written by impasto",
}
"""Setting without an option of its name -> the options that set it."""

_NOT_BY_NAME = {"color": "palette", "encoder": "custom"}
"""Setting -> the value that its option does not accept: a palette picture or a custom network implies it."""

_REGION = Parameter(group=Group("Regions", sort_key=6.5), negative=(), consume_multiple=False)
_DEFAULTS = resolve()


def _is_text(name: str) -> bool:
    """Whether the option of a setting takes text for :func:`parse_setting`."""
    return name == "style_loss" or get_origin(kind_of(name)) in (dict, tuple)


def _option(name: str, *, default: bool) -> tuple[str, Any, None]:
    """A dataclass field for a setting, None by default: (name, type, default).

    Args:
        name: of the setting.
        default: whether help shows the value of the default preset.
    """
    field, kind = Settings.model_fields[name], kind_of(name)
    extra: Any = field.json_schema_extra
    value = getattr(_DEFAULTS, name)
    more: dict[str, Any] = {}
    if _is_text(name):
        kind = str
    elif kind is Input:
        kind = Path
    elif get_origin(kind) is Literal:
        kind = Literal[tuple(value for value in get_args(kind) if value != _NOT_BY_NAME.get(name))]
    elif kind is int:
        more["converter"] = whole_number
    elif kind is bool and field.default is False:
        more["negative"] = ()
    parameter = Parameter(
        help=field.description,
        group=GROUPS[extra["group"]],
        alias=extra.get("short"),
        show_default=(default and value is not False and spell(value)) or False,
        **more,
    )
    return name, Annotated[kind | None, parameter], None


def _with_options(
    names: Iterable[str], *, without_default: Container[str] = ()
) -> Callable[[type[T]], type[T]]:
    """A decorator that adds an option for each of these settings to a dataclass.

    Args:
        names: of the settings.
        without_default: settings whose default depends on more than the preset.
    """

    def add(base: type[T]) -> type[T]:
        options = [_option(name, default=name not in without_default) for name in names]
        made = make_dataclass(base.__name__, options, bases=(base,), frozen=True, kw_only=True)
        made.__doc__, made.__module__ = base.__doc__, base.__module__
        # cyclopts reads these annotations, and cannot resolve names of this module in a generated method.
        made.__init__.__annotations__ |= get_type_hints(made, include_extras=True)  # type: ignore[misc]
        return Parameter(name="*")(made)

    return add


_NETWORK = ("encoder", "weights", "pooling", "padding", "mean_pixel", "device", "precision")
_OBJECTIVE = (
    *("preset", "content_weight", "style_weight", "tv_weight", "photo_weight", "style_weights", "style_loss"),
    *("content_loss", "tv_loss", "content_layers", "style_layers", "style_target_layers"),
    *(
        "style_size",
        "style_fit",
        "style_scale",
        "style_scales",
        "style_enlarge",
        "style_rotate",
        "style_flip",
    ),
    *("resample", "seamless", "color", "palette", "color_match", "faithful"),
)
_PAINTING = tuple(
    name for name in Settings.model_fields if name not in {*_NETWORK, *_OBJECTIVE, *GIVEN_OTHERWISE}
)


_OF_CONTENT = (
    *("content_weight", "content_layers", "content_loss", "photo_weight", "photo_finish", "strength"),
    *("color", "color_match", "palette", "init", "init_noise", "detail", "fit", "aspect", "faithful"),
)
"""Settings without a meaning for a texture, which has no content picture and starts from noise."""


class _Given:
    """Settings given on the command line; None for each that is not given."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


@_with_options(_NETWORK)
@dataclass(frozen=True, kw_only=True)
class NetworkOptions(_Given):
    """Options of the network and the device.

    Parameters
    ----------
    max_pixels
        The most pixels of an input picture; larger pictures are an error.
    """

    max_pixels: Annotated[WholeNumber, Parameter(group=GROUPS["Machine"])] = 100_000_000

    def network(self) -> dict[str, Any]:
        """The given options as keyword arguments.

        Raises:
            ParameterError: an invalid option.
        """
        self.check_max_pixels()
        return {**_parsed(self, _NETWORK), "max_pixels": self.max_pixels}

    def check_max_pixels(self) -> None:
        """Check that the limit is at least 1.

        Raises:
            ParameterError: it is not.
        """
        if self.max_pixels < 1:
            raise ParameterError(f"--max-pixels: expected 1 or more, got {self.max_pixels}")


@dataclass(frozen=True, kw_only=True)
class _RecipeOptions(NetworkOptions):
    """Options that make a recipe."""

    def build_recipe(self, changes: Mapping[str, Any] | None = None) -> Recipe:
        """The recipe of a preset, or of a file, with the given options.

        Args:
            changes: further settings, which override the options.

        Raises:
            ParameterError: an invalid option, or a recipe that cannot be read.
        """
        self.check_max_pixels()
        values = _parsed(self, [field.name for field in fields(self) if field.name in Settings.model_fields])
        if "style_loss" in values:
            losses = parse_style_loss(values.pop("style_loss"), option="--style-loss")
            if "style_layers" in losses and "style_layers" in values:
                raise ParameterError(
                    "--style-layers: expected none with a --style-loss that names layers, got both"
                )
            values |= losses
        return _build(self.recipe_file, values | self.further() | dict(changes or {}))

    @property
    def recipe_file(self) -> Path | None:
        """The file that provides the recipe."""
        return None

    def further(self) -> dict[str, Any]:
        """The given settings whose options have other names."""
        return {}


@_with_options(_OBJECTIVE)
@dataclass(frozen=True, kw_only=True)
class ObjectiveOptions(_RecipeOptions):
    """Options of the objective, the network and the device.

    Parameters
    ----------
    mask
        A region, NAME=PICTURE: white inside, black outside, grey at soft edges. May be given several times. With as
        many regions as styles, the n-th region takes the n-th style; otherwise each takes the blend of all.
    style_mask
        NAME=PICTURE: the part of the style picture that a region takes its style from, in white.
    region
        Settings of a region, such as sky=style:2,weight:1.5,loss:wasserstein, or face=keep to leave it unchanged.
    recipe
        Use the recipe of a picture painted by impasto, or of a .toml file. Other options override its settings.
    """

    mask: Annotated[list[str] | None, _REGION] = None
    style_mask: Annotated[list[str] | None, _REGION] = None
    region: Annotated[list[str] | None, _REGION] = None
    recipe: Annotated[Path | None, Parameter(group=GROUPS["Common"])] = None

    @property
    def recipe_file(self) -> Path | None:
        return self.recipe

    def further(self) -> dict[str, Any]:
        regions = parse_regions(self.mask or [], self.style_mask or [], self.region or [])
        return super().further() | ({"regions": regions} if regions else {})


@dataclass(frozen=True, kw_only=True)
class PaintingOptions(_RecipeOptions):
    """Options of every command that paints.

    Parameters
    ----------
    quality
        standard, or draft for a first look in a quarter of the time.
    memory
        Memory limit, such as 4GB. The default is the machine's free memory. `impasto plan` prints the memory that a
        picture needs.
    """

    quality: Annotated[Quality | None, Parameter(group=GROUPS["Common"], show_default="standard")] = None
    memory: Annotated[str | None, Parameter(group=GROUPS["Machine"])] = None

    def further(self) -> dict[str, Any]:
        return super().further() | ({} if self.quality is None else {"quality": self.quality})

    def given(self) -> set[str]:
        """The names of the options that were given."""
        return {field.name for field in fields(self) if getattr(self, field.name) is not None}

    def asked(self) -> set[str] | None:
        """The options that override settings of a recipe's file; None without one."""
        return None if self.recipe_file is None else self.given()

    @property
    def has_default_size(self) -> bool:
        """Whether neither the user nor a recipe has said how large the photograph's painting is."""
        return self.size is None and self.recipe_file is None

    @property
    def memory_bytes(self) -> int | None:
        """The memory limit in bytes."""
        return None if self.memory is None else parse_memory(self.memory, option="--memory")


@_with_options(_PAINTING)
@dataclass(frozen=True, kw_only=True)
class Options(PaintingOptions, ObjectiveOptions):
    __doc__ = f"{PaintingOptions.__doc__}{(ObjectiveOptions.__doc__ or '').partition('----------')[2]}"


@_with_options((*_NETWORK, *_OBJECTIVE, *_PAINTING), without_default=Settings.model_fields)
@dataclass(frozen=True, kw_only=True)
class ChangedOptions(Options):
    """Options that change a recipe: those not given keep its values."""


@_with_options(
    [name for name in (*_OBJECTIVE, *_PAINTING) if name not in _OF_CONTENT],
    without_default=["smallest"],  # it follows from the style's size
)
@dataclass(frozen=True, kw_only=True)
class TextureOptions(PaintingOptions):
    __doc__ = PaintingOptions.__doc__

    @property
    def has_default_size(self) -> bool:  # there is no photograph
        return False


DEFAULT_NETWORK_OPTIONS, DEFAULT_OPTIONS = NetworkOptions(), Options()
DEFAULT_CHANGED_OPTIONS, DEFAULT_TEXTURE_OPTIONS = ChangedOptions(), TextureOptions()


def options_with(**given: Any) -> Options:
    """Options with these values, as if given on the command line."""
    made: Any = Options
    options: Options = made(**given)
    return options


def _parsed(options: object, names: Iterable[str]) -> dict[str, Any]:
    """The given settings, parsed for the recipe."""
    values = {name: getattr(options, name) for name in names}
    return {
        name: parse_setting(name, str(value), option=f"--{name.replace('_', '-')}")
        if isinstance(value, str | Path) and name != "style_loss"
        else value
        for name, value in values.items()
        if value is not None
    }


def _build(file: Path | None, given: Mapping[str, Any]) -> Recipe:
    from impasto.recipes.presets import load_written, resolve

    if file is None:
        return resolve(**given)
    if {"preset", "faithful", "quality"} & given.keys():
        raise ParameterError(
            "--preset, --faithful, --quality: expected none of them with --recipe, which sets them, got "
            + ", ".join(f"--{name}" for name in ("preset", "faithful", "quality") if name in given)
        )
    return load_written(read_recipe_file(file), given)


def pictures(settings: Recipe, content: Path | None, styles: list[Path]) -> tuple[Path, list[Path]]:
    """The content and the styles: as given, or else those of the recipe."""
    if content is None and settings.content is not None:
        content = Path(settings.content.path)
    styles = styles or [Path(style.path) for style in settings.styles]
    if content is None:
        raise ParameterError("CONTENT: expected the content picture, got none")
    if not styles:
        raise ParameterError("STYLE: expected at least one style picture, got none")
    settings.check_styles(len(styles))
    check_pictures((content, *styles))
    return content, styles
