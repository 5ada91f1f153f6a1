"""A recipe: every setting that a picture depends on, immutable, with conversion to and from TOML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import ConfigDict, ValidationError, model_validator

from impasto.errors import ParameterError, unknown_name
from impasto.recipes.fields import (
    CHANGEABLE,
    STARTS,
    Change,
    ChangePath,
    Flip,
    Input,
    RegionOf,
    StyleLossName,
    absolute,
)
from impasto.recipes.settings import Settings, attributes
from impasto.recipes.validation import first_error, first_field, read_toml

T = TypeVar("T")


class Recipe(Settings):
    __doc__ = f"""All settings of one picture, validated together.

{attributes()}"""

    model_config = ConfigDict(json_schema_extra={"description": "All settings of one picture."})

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        content, style = (
            weight * sum(layers.values())
            for weight, layers in (
                (self.content_weight, self.content_layers),
                (self.style_weight, self.style_layers),
            )
        )
        if not content and not style and not self.tv_weight and not self.photo_weight:
            raise ValueError(
                "content_weight, style_weight: expected a weight above 0, got nothing to minimise"
            )
        if self.strength is not None and not (content and style):
            raise ValueError("strength: expected a content and a style weight above 0, got one of 0")
        if self.style_weights and not any(self.style_weights):
            raise ValueError("style_weights: expected a weight above 0, got only zeros")
        if self.styles and (wrong := self._wrong_count(len(self.styles))):
            raise ValueError(wrong)
        names = [region.name for region in self.regions]
        if len(set(names)) != len(names):
            raise ValueError(f"regions: expected each name once, got {', '.join(names)}")
        for name in ("tv_weight", "photo_weight", "photo_finish"):
            if self.seamless and getattr(self, name):
                raise ValueError(f"seamless: expected a {name} of 0, got {getattr(self, name):g}")
        if (self.color == "palette") != (self.palette is not None):
            given = "a palette picture" if self.palette else "no palette picture"
            raise ValueError(
                "color, palette: expected a palette picture if and only if color is palette, "
                f"got {given} and color {self.color}"
            )
        for name in ("style_target_layers", "style_losses"):
            unknown = set(getattr(self, name)) - set(self.style_layers)
            if unknown:
                raise ValueError(f"{name}: expected layers of style_layers, got {', '.join(sorted(unknown))}")
        self._check_changes()
        return self

    def _check_changes(self) -> None:
        before = -1
        for change in self.changes:
            if not before < change.at < self.steps:
                raise ValueError(
                    f"changes: expected increasing iterations below {self.steps}, the number of steps, "
                    f"got a change after {change.at}"
                )
            before = change.at
            for name in ("content_layers", "style_layers"):
                known, given = getattr(self, name), getattr(change, name) or {}
                if unknown := sorted(set(given) - set(known)):
                    raise ValueError(
                        f"changes: {name}: expected layers of the initial {name} "
                        f"({', '.join(known)}), got {', '.join(unknown)}"
                    )
            try:
                self.after(change.at)
            except ParameterError as error:
                raise ValueError(f"changes: after {change.at} iterations: {error}") from None

    def _wrong_count(self, styles: int) -> str | None:
        """The error message for a setting whose number of values does not fit ``styles`` styles; else None."""
        for name in ("style_weights", "style_scales", "style_rotate", "style_flip"):
            given = len(getattr(self, name))
            one_is_enough = name != "style_weights"
            if given not in (0, styles) and not (one_is_enough and given == 1):
                one = "one value, or " if one_is_enough else ""
                return f"{name}: expected {one}one for each of {styles} styles, got {given}"
        for region in self.regions:
            if region.style is not None and region.style > styles:
                return f"region {region.name}: expected a style from 1 to {styles}, got {region.style}"
        return None

    def check_styles(self, count: int) -> None:
        """Check that every setting with a value for each style has ``count`` values.

        Raises:
            ParameterError: a setting has another number of values.
        """
        if wrong := self._wrong_count(count):
            raise ParameterError(wrong)

    def style_of(self, region: RegionOf, styles: int) -> int | None:
        """Index, from 0, of the style picture of a region; None for the blend of all styles."""
        if region.style is not None:
            return region.style - 1
        stylized = [each for each in self.regions if not each.keep]
        return stylized.index(region) if len(stylized) == styles else None

    def scale_of(self, style: int) -> float:
        """Stroke scale of the style of that index."""
        return self.style_scale * _each(self.style_scales, style, 1.0)

    def rotation_of(self, style: int) -> tuple[int, Flip]:
        """Rotation in degrees clockwise of the style of that index, and the flip applied before the rotation."""
        no: Flip = "no"
        return _each(self.style_rotate, style, 0), _each(self.style_flip, style, no)

    def losses_at(self, layer: str) -> dict[StyleLossName, float]:
        """Style loss -> its share of the weight of a style layer."""
        return self.style_losses.get(layer) or {self.style_loss: 1.0}

    @property
    def inputs(self) -> tuple[tuple[str, Input], ...]:
        """The role and the picture of each input."""
        found: list[tuple[str, Input | None]] = [
            ("content", self.content),
            *(("style", style) for style in self.styles),
            ("palette", self.palette),
            ("init", None if self.init in STARTS else Input(path=self.init, sha256=self.init_sha256)),
        ]
        for regions in (self.regions, *(change.regions or () for change in self.changes)):
            found += [(f"mask {region.name}", region.mask) for region in regions]
            found += [(f"style-mask {region.name}", region.style_mask) for region in regions]
        return tuple((what, each) for what, each in found if each is not None)

    @property
    def style_shares(self) -> tuple[float, ...]:
        """The style weights divided by their sum; equal shares where none are given."""
        weights = self.style_weights or (1.0,) * len(self.styles)
        return tuple(weight / sum(weights) for weight in weights)

    def after(self, done: int) -> Recipe:
        """The settings in effect after ``done`` iterations, as a recipe without changes.

        Changing a weight removes the strength, which had measured another weight.
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
        """The recipe with a change of settings after ``done`` iterations added.

        Raises:
            ParameterError: a setting that cannot change while painting, or a value out of range.
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
            raise ParameterError(first_error(error, "change")) from None
        return recipe_from(self.model_dump() | {"changes": changes})

    def before(self, done: int) -> Recipe:
        """The recipe with only the changes before iteration ``done``."""
        kept = tuple(change for change in self.changes if change.at < done)
        return self.model_copy(update={"changes": kept})

    def absolute(self) -> Recipe:
        """A copy with absolute paths of all pictures."""
        return self.with_paths(absolute)

    def with_paths(self, change: ChangePath) -> Recipe:
        """A copy with changed paths of all pictures."""
        return self.model_copy(
            update={
                "content": self.content and self.content.with_path(change),
                "styles": tuple(style.with_path(change) for style in self.styles),
                "init": self.init if self.init in STARTS else change(self.init),
                "palette": self.palette and self.palette.with_path(change),
                "regions": tuple(region.with_paths(change) for region in self.regions),
                "changes": tuple(each.with_paths(change) for each in self.changes),
            }
        )

    def to_toml(self) -> str:
        """The recipe as TOML, without the settings that are None."""
        import tomli_w

        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    def to_metadata(self) -> str:
        """The recipe as TOML inside a picture, which may be passed on: without absolute paths."""
        return self.with_paths(lambda path: Path(path).name if Path(path).is_absolute() else path).to_toml()

    @classmethod
    def from_toml(cls, text: str, *, name: str = "recipe") -> Recipe:
        """Read back the output of :meth:`to_toml`.

        Raises:
            ParameterError: invalid TOML, an unknown field, or a value out of range.
        """
        return recipe_from(read_toml(text, name=name), name=name)


def _each(values: Sequence[T], number: int, default: T) -> T:
    """The value of one style: its own value, the single value for all styles, or the default."""
    return values[number if len(values) > 1 else 0] if values else default


def recipe_from(values: dict[str, Any], *, name: str = "") -> Recipe:
    """Validate values as a recipe.

    Raises:
        ParameterError: one line about the first invalid value.
    """
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise ParameterError(first_error(error, name), field=first_field(error)) from None
