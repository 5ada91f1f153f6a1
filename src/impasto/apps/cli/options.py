"""The options that say what is painted and how: the recipe's settings, the same for every command that has them.

Names, types, groups and help come from :class:`impasto.recipes.settings.Settings`; nothing about a setting is written
here but how the few are given that no single option says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from cyclopts import Group, Parameter, Token

from impasto.errors import ParameterError
from impasto.recipes.fields import Input, Quality
from impasto.recipes.parsing import (
    kind_of,
    parse_memory,
    parse_regions,
    parse_setting,
    parse_style_loss,
)
from impasto.recipes.settings import Group as GroupName
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
}
"""Settings that no option of their own gives, and what does."""

_NOT_BY_NAME = {"color": "palette", "encoder": "custom"}
"""Values that something else says: a picture, or a network of Python's."""

_GROUPS = {name: Group(name, sort_key=place) for place, name in enumerate(get_args(GroupName), start=1)}
_REGION = Parameter(group=Group("Regions", sort_key=1.5), negative=(), consume_multiple=False)


def whole(kind: object, tokens: Sequence[Token]) -> int:
    """Converts what must be a whole number; cyclopts by itself rounds 1.5 to 2."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"expected a whole number, got {tokens[0].value!r}") from None


def _is_text(name: str) -> bool:
    """Whether a setting is given as a text that :func:`parse_setting` reads."""
    return name == "style_loss" or get_origin(kind_of(name)) in (dict, tuple)


def _option(name: str) -> tuple[str, Any, None]:
    """A field of a dataclass for a setting: what its option takes, or None where it is not given."""
    field, kind = Settings.model_fields[name], kind_of(name)
    extra: Any = field.json_schema_extra
    more: dict[str, Any] = {}
    if _is_text(name):
        kind = str
    elif kind is Input:
        kind = Path
    elif get_origin(kind) is Literal:
        kind = Literal[tuple(value for value in get_args(kind) if value != _NOT_BY_NAME.get(name))]
    elif kind is int:
        more["converter"] = whole
    elif kind is bool and field.default is False:
        more["negative"] = ()
    parameter = Parameter(help=field.description, group=_GROUPS[extra["group"]], show_default=False, **more)
    return name, Annotated[kind | None, parameter], None


def _with_options(names: Iterable[str]) -> Callable[[type[T]], type[T]]:
    """Adds an option for each of these settings to a dataclass."""

    def add(base: type[T]) -> type[T]:
        made = make_dataclass(
            base.__name__, [_option(name) for name in names], bases=(base,), frozen=True, kw_only=True
        )
        made.__doc__, made.__module__ = base.__doc__, base.__module__
        # cyclopts reads them from here, and finds no names of this module in a method that was made.
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


class _Given:
    """What was given of the settings; None where nothing was."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


@_with_options(_NETWORK)
@dataclass(frozen=True, kw_only=True)
class NetworkOptions(_Given):
    """Which network looks at pictures, and where; None where nothing was given.

    Parameters
    ----------
    max_pixels
        Refuse larger pictures.
    """

    max_pixels: Annotated[int, Parameter(group=_GROUPS["Machine"], converter=whole)] = 100_000_000

    def network(self) -> dict[str, Any]:
        """What was given, as keyword arguments.

        Raises:
            ParameterError: an option is wrong.
        """
        self.check_max_pixels()
        return {**_parsed(self, _NETWORK), "max_pixels": self.max_pixels}

    def check_max_pixels(self) -> None:
        """Refuse a limit that lets nothing through."""
        if self.max_pixels < 1:
            raise ParameterError(f"--max-pixels: expected 1 or more, got {self.max_pixels}")


@_with_options(_OBJECTIVE)
@dataclass(frozen=True, kw_only=True)
class ObjectiveOptions(NetworkOptions):
    """What is minimised, and with which network; None where nothing was given.

    Parameters
    ----------
    mask
        A region, NAME=PICTURE: white where it is, black elsewhere, grey for soft edges. Given several times, each
        region takes the style picture in its place, or the blend of all where their numbers differ.
    style_mask
        NAME=PICTURE: white where the style of a region is in the style picture.
    region
        More about a region, such as sky=style:2,weight:1.5,loss:wasserstein; or face=keep, which leaves it as it was.
    recipe
        Repeat a picture: a picture painted by impasto, or a .toml file. Options given beside it change it.
    """

    mask: Annotated[list[str] | None, _REGION] = None
    style_mask: Annotated[list[str] | None, _REGION] = None
    region: Annotated[list[str] | None, _REGION] = None
    recipe: Annotated[Path | None, Parameter(group=_GROUPS["Optimisation"])] = None

    def build_recipe(self, changes: Mapping[str, Any] | None = None) -> Recipe:
        """The recipe of a preset, a .toml file or a painted picture, with what was given.

        Args:
            changes: settings that count beside what was given, and before it.

        Raises:
            ParameterError: an option is wrong, or the recipe cannot be read.
        """
        self.check_max_pixels()
        values = _parsed(self, [field.name for field in fields(self) if field.name in Settings.model_fields])
        if "style_loss" in values:
            losses = parse_style_loss(values.pop("style_loss"), option="--style-loss")
            if "style_layers" in losses and "style_layers" in values:
                raise ParameterError("--style-layers: not together with a --style-loss that names the layers")
            values |= losses
        if regions := parse_regions(self.mask or [], self.style_mask or [], self.region or []):
            values["regions"] = regions
        if (quality := getattr(self, "quality", None)) is not None:
            values["quality"] = quality
        return _build(self.recipe, values | dict(changes or {}))


@_with_options(_PAINTING)
@dataclass(frozen=True, kw_only=True)
class Options(ObjectiveOptions):
    """What was given; None where nothing was.

    Parameters
    ----------
    quality
        standard, or draft: a first look in a quarter of the time.
    memory
        The most that may be used, such as 4GB; without it what the machine has free. `impasto plan` says what a
        picture takes.
    """

    quality: Annotated[Quality | None, Parameter(group=_GROUPS["Optimisation"])] = None
    memory: Annotated[str | None, Parameter(group=_GROUPS["Machine"])] = None

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


NETWORK_UNCHANGED, UNCHANGED = NetworkOptions(), Options()


def as_if_given(**given: Any) -> Options:
    """The options, as if these had been given."""
    made: Any = Options
    options: Options = made(**given)
    return options


def _parsed(options: object, names: Iterable[str]) -> dict[str, Any]:
    """The settings that were given, as the recipe takes them."""
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
    return load_written(read_toml(text, name=file.name), given)


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
