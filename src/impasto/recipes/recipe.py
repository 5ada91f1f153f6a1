"""A recipe: every setting a picture depends on, frozen, and its two-way form as TOML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import ValidationError, model_validator

from impasto.errors import ParameterError, unknown_name
from impasto.recipes.fields import CHANGEABLE, STARTS, Change, Flip, Input, RegionOf, StyleLossName
from impasto.recipes.settings import Settings
from impasto.recipes.validation import complaint, field_of, read_toml

T = TypeVar("T")


class Recipe(Settings):
    """All settings of one picture, that fit together."""

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


def recipe_from(values: dict[str, Any], *, name: str = "") -> Recipe:
    """A recipe of these values; a ParameterError in one line for the first that is wrong."""
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise ParameterError(complaint(error, name), field=field_of(error)) from None
