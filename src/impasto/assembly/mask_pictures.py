"""Pictures as masks: brightness, alpha or class labels -> (1, 1, H, W) in [0, 1]."""

from __future__ import annotations

import torch
from torch import Tensor

from impasto import color
from impasto.errors import ParameterError
from impasto.images import Picture
from impasto.images.alpha import OVER_BLACK, OVER_WHITE, straight
from impasto.text import display_name

_MOST_LABELS = 40
"""The largest value, as a whole number, of a picture that is taken for a map of class labels."""

_SEEN = 0.1  # colours of fainter pixels are not compared, since rounding changes them
_ONE_COLOR = 0.05


def mask_of(picture: Picture, what: str, path: str, label: int | None) -> tuple[Tensor, list[str]]:
    """The mask that a picture stands for, and notes.

    Args:
        what: the mask's name in error messages, such as "mask sky".
        path: of the picture.
        label: of the region, in a map of class labels.

    Raises:
        ParameterError: a map of class labels, and its label is not given; or a label, and the picture is no map.
    """
    name = display_name(path)
    notes = [f"{name}: {note}" for note in picture.notes if note not in (OVER_WHITE, OVER_BLACK)]
    labels = _labels(picture, most=_MOST_LABELS if label is None else 65535)
    if label is None and labels is not None and float(labels.max()) == 1.0:
        return labels, [*notes, f"{name}: a map of 0 and 1, taken as black and white"]
    if label is not None or (labels is not None and float(labels.max()) > 0):
        return _labelled(labels, what, name, label), notes
    if picture.alpha is None:
        return _brightness(_pixels(picture)), notes
    found, note = _with_alpha(straight(_pixels(picture), picture.alpha, picture.background), picture.alpha)
    return found, [*notes, f"{name}: {note}"]


def is_label_map(picture: Picture) -> bool:
    """Whether a picture looks like a map of more than two class labels."""
    labels = _labels(picture, most=_MOST_LABELS)
    return labels is not None and float(labels.max()) > 1


def _pixels(picture: Picture) -> Tensor:
    return picture.pixels.float() / 255.0 if picture.pixels.dtype == torch.uint8 else picture.pixels


def _with_alpha(colors: Tensor, alpha: Tensor) -> tuple[Tensor, str]:
    """The mask of a picture with alpha, and the note that says how it is read."""
    if float(alpha.max() - alpha.min()) == 0.0:
        return _brightness(colors) * (
            alpha > 0
        ), "equally transparent everywhere, so its bright pixels are inside"
    shown = colors[0][:, (alpha > min(_SEEN, float(alpha.max()) / 2))[0, 0]]
    if float((shown.amax(1) - shown.amin(1)).max()) <= _ONE_COLOR:
        return alpha, "one colour on transparency, so its opaque pixels are inside"
    return _brightness(colors) * alpha, "its opaque bright pixels are inside, transparent ones are outside"


def _brightness(pixels: Tensor) -> Tensor:
    return color.linear_to_srgb(color.srgb_to_linear(pixels).mean(1, keepdim=True)).clamp_(0.0, 1.0)


def _labels(picture: Picture, *, most: int) -> Tensor | None:
    """(1, 1, H, W), the whole numbers of an opaque grey picture, up to ``most``; None for any other picture."""
    pixels = _pixels(picture)
    plane = pixels[:, :1]
    if picture.alpha is not None or not torch.equal(pixels, plane.expand_as(pixels)):
        return None
    for white in (255.0, 65535.0):
        numbers = plane * white
        whole = numbers.round()
        if float((numbers - whole).abs().max()) < 0.01:
            return whole if float(whole.max()) <= most else None
    return None


def _labelled(labels: Tensor | None, what: str, name: str, label: int | None) -> Tensor:
    """1 where the label is, 0 elsewhere.

    Raises:
        ParameterError: there is no such label, or none is given.
    """
    if labels is None:
        raise ParameterError(
            f"{what}: expected an opaque grey map of labels, since label {label} is given, "
            f"got another picture: {name}"
        )
    inside = (labels == (-1 if label is None else label)).float()
    if inside.any():
        return inside
    found = [str(int(each)) for each in sorted(set(labels.flatten().tolist()))]
    some = ", ".join(found[:20]) + (", …" if len(found) > 20 else "")
    missing, wrong = f"a map of the labels {some} without a label", f"label {label}, in a map of {some}"
    raise ParameterError(
        f"{what}: expected black and white, or the region's label in a map of labels (label:N of --region "
        f"{what.split()[-1]}), got {missing if label is None else wrong}: {name}"
    )
