"""Parsing of settings: their text form on the command line -> their values in a recipe."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from impasto.errors import ParameterError, unknown_name
from impasto.recipes.fields import CHANGEABLE, Input, StyleLossName
from impasto.recipes.settings import Settings

T = TypeVar("T")

_WEIGHTED_LAYER = re.compile(r"(?P<layer>[^=,\s]+)(?:=(?P<weight>[^=,\s]+))?")


def parse_layers(text: str, *, option: str) -> dict[str, float]:
    """Parse ``relu1_1=0.5,relu2_1`` as layer -> weight; the default weight is 1.

    Raises:
        ParameterError: a text of another form, a weight that is not a number, or a duplicate layer.
    """
    layers: dict[str, float] = {}
    for part in text.split(","):
        match = _WEIGHTED_LAYER.fullmatch(part.strip())
        if match is None:
            raise ParameterError(f"{option}: expected LAYER or LAYER=WEIGHT between commas, got {part!r}")
        layer, weight = match["layer"], match["weight"] or "1"
        if layer in layers:
            raise ParameterError(f"{option}: expected each layer once, got {layer} twice")
        try:
            layers[layer] = float(weight)
        except ValueError:
            raise ParameterError(f"{option}: expected a number after {layer}=, got {weight!r}") from None
    return layers


def parse_style_loss(text: str, *, option: str) -> dict[str, Any]:
    """Parse ``patches``, or ``relu1_1=gram-share:0.2,relu4_1=patches+histogram:0.5``, as fields of a recipe.

    A single name is the loss of all style layers. Otherwise the named layers become the style layers. Each of them
    has one or more losses, with weights; the default weight is 1.

    Raises:
        ParameterError: a text of another form, an unknown loss, a weight that is not a number, or a duplicate.
    """
    if "=" not in text:
        return {"style_loss": _style_loss(text.strip(), option), "style_losses": {}}
    losses: dict[str, dict[str, float]] = {}
    for part in text.split(","):
        layer, _, mix = (each.strip() for each in part.partition("="))
        if not layer or not mix:
            raise ParameterError(f"{option}: expected LAYER=LOSS:WEIGHT between commas, got {part!r}")
        if layer in losses:
            raise ParameterError(f"{option}: expected each layer once, got {layer} twice")
        losses[layer] = {}
        for each in mix.split("+"):
            name, colon, weight = (piece.strip() for piece in each.partition(":"))
            if _style_loss(name, f"{option}: {layer}") in losses[layer]:
                raise ParameterError(f"{option}: expected each loss of {layer} once, got {name} twice")
            try:
                losses[layer][name] = float(weight) if colon else 1.0
            except ValueError:
                raise ParameterError(
                    f"{option}: expected a number after {layer}={name}:, got {weight!r}"
                ) from None
    return {"style_layers": dict.fromkeys(losses, 1.0), "style_losses": losses}


def _style_loss(name: str, what: str) -> str:
    known = get_args(StyleLossName)
    if name not in known:
        raise unknown_name(what, name, known)
    return name


def parse_weights(text: str, *, option: str) -> tuple[float, ...]:
    """Parse ``0.7,0.3`` as numbers.

    Raises:
        ParameterError: a text of another form.
    """
    return _numbers(text, float, f"{option}: expected numbers")


def parse_integers(text: str, *, option: str) -> tuple[int, ...]:
    """Parse ``0,90`` as integers.

    Raises:
        ParameterError: a text of another form.
    """
    return _numbers(text, int, f"{option}: expected whole numbers")


def _numbers(text: str, kind: Callable[[str], T], expected: str) -> tuple[T, ...]:
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        raise ParameterError(f"{expected} between commas, got {text!r}") from None


def parse_regions(
    masks: Sequence[str], style_masks: Sequence[str], more: Sequence[str]
) -> list[dict[str, Any]]:
    """Parse ``sky=sky.png`` and ``sky=style:2,weight:1.5`` as regions.

    Raises:
        ParameterError: a text of another form, a region without a mask, or a duplicate region.
    """
    regions = {name: {"name": name, "mask": path} for name, path in _named("--mask", masks)}
    for option, given in (("--style-mask", style_masks), ("--region", more)):
        for name, value in _named(option, given):
            if name not in regions:
                raise unknown_name(f"{option}: region", name, regions)
            regions[name] |= {"style_mask": value} if option == "--style-mask" else _about(name, value)
    return list(regions.values())


def _named(option: str, given: Sequence[str]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for each in given:
        name, _, value = each.partition("=")
        if not name or not value:
            raise ParameterError(f"{option}: expected NAME=…, got {each!r}")
        if name in dict(pairs):
            raise ParameterError(f"{option}: expected each region once, got {name} twice")
        pairs.append((name, value))
    return pairs


def _about(name: str, text: str) -> dict[str, Any]:
    about: dict[str, Any] = {}
    for part in text.split(","):
        key, _, value = part.strip().partition(":")
        if key == "keep" and not value:
            about["keep"] = True
        elif key in ("style", "weight", "loss", "label") and value:
            about[key] = value
        else:
            raise ParameterError(
                f"--region {name}: expected style:N, weight:W, loss:NAME, label:N or keep between commas, "
                f"got {part!r}"
            )
    return about


def parse_setting(name: str, text: str, *, option: str) -> Any:
    """Parse the text of a setting; the recipe validates the value afterwards.

    Layers with weights are written ``relu1_1=0.5,relu2_1``, pairs of layers ``relu1_1=relu1_2``, lists with commas, a
    picture as its path. Any other value stays text, which the recipe converts.

    Args:
        name: of a field of :class:`impasto.recipes.settings.Settings`.
        option: name of the option in error messages.

    Raises:
        ParameterError: a text of another form.
    """
    kind = kind_of(name)
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Input:
        return {"path": text}
    if origin is dict and parts[1] is str:
        pairs = [part.partition("=") for part in text.split(",")]
        return {layer.strip(): target.strip() for layer, _, target in pairs}
    if origin is dict:
        return parse_layers(text, option=option)
    if origin is not tuple:
        return text
    numbers = {int: parse_integers, float: parse_weights}
    return numbers.get(element_of(kind), parse_names)(text, option=option)


def spell(value: Any) -> str:
    """The text of a setting's value, as :func:`parse_setting` reads it; empty for None and empty values."""
    if value is None or value in ((), {}):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ",".join(f"{layer}={spell(weight)}" for layer, weight in value.items())
    if isinstance(value, tuple):
        return ",".join(map(spell, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def kind_of(name: str) -> Any:
    """The type of a setting, without ``| None`` and without its range."""
    kind: Any = Settings.model_fields[name].annotation
    if get_origin(kind) in (Union, UnionType):
        parts = [part for part in get_args(kind) if part is not NoneType]
        kind = (
            parts[0] if len(parts) == 1 else Literal[tuple(each for part in parts for each in get_args(part))]
        )
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def element_of(kind: Any) -> type:
    """The type of a list's entries: int, float or str."""
    first = get_args(kind)[0]
    while get_origin(first) is Annotated:
        first = get_args(first)[0]
    return type(get_args(first)[0]) if get_origin(first) is Literal else first


def parse_names(text: str, *, option: str) -> tuple[str, ...]:
    """Parse ``horizontal,no`` as names."""
    return tuple(part.strip() for part in text.split(","))


def parse_changes(given: Sequence[str], *, option: str) -> dict[str, Any]:
    """Parse ``style_weight=30`` or ``style_layers=relu1_1=0.5,relu2_1`` as settings to change.

    The recipe validates the values afterwards.

    Raises:
        ParameterError: a text of another form, or a duplicate setting.
    """
    changes: dict[str, Any] = {}
    for each in given:
        name, _, value = (part.strip() for part in each.partition("="))
        name = name.replace("-", "_")
        if not name or not value:
            raise ParameterError(f"{option}: expected SETTING=VALUE, got {each!r}")
        if name in changes:
            raise ParameterError(f"{option}: expected each setting once, got {name} twice")
        if name == "regions":
            raise ParameterError(
                f"{option}: expected a setting other than regions, got {each!r}; "
                "change regions from Python (docs/steering.md)"
            )
        known = name in CHANGEABLE  # the recipe rejects any other name
        changes[name] = parse_setting(name, value, option=f"{option}: {name}") if known else value
    return changes


_UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def parse_memory(text: str | int, *, option: str = "memory") -> int:
    """Parse "4GB", "800MB", "2GiB" or a number, in bytes.

    Raises:
        ParameterError: a text of another form.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", str(text).lower())
    if not found or float(found[1]) <= 0:
        raise ParameterError(f"{option}: expected a size such as 4GB or 800MB, got {str(text)!r}")
    return round(float(found[1]) * _UNITS[found[2] or ""])
