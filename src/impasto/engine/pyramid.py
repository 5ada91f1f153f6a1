"""The image pyramid: the sizes of the picture and of the styles at each level, coarse to fine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.geometry import Resample, Size, resize


@dataclass(frozen=True)
class Level:
    """One level of the pyramid.

    Attributes:
        size: size of the picture and the content.
        styles: size of each style picture.
        iterations: the solver's steps at this level.
    """

    size: Size
    styles: tuple[Size, ...]
    iterations: int


@dataclass(frozen=True)
class Pyramid:
    """The levels, coarse to fine, and how pictures are resized to them.

    Attributes:
        levels: one or more.
        resample: the filter that resizes content and styles to a level's size.
        detail: share of the content's detail that is added when the picture is enlarged (:func:`upsample`).
        seamless: the picture is periodic: it continues at its opposite side.
        margin: pixels painted beyond every edge, where the content is mirrored. The shown picture is cropped by
            them, since zero padding leaves artefacts near the edges.
    """

    levels: Sequence[Level]
    resample: Resample = "bicubic"
    detail: float = 0.0
    seamless: bool = False
    margin: int = 0

    def content(self, picture: Tensor, level: int) -> Callable[[], Tensor]:
        """A function that makes the content picture of a level, with its margin."""
        return partial(resize_and_pad, picture, self.levels[level].size, self.resample, self.margin)

    def styles(self, pictures: Sequence[Tensor], level: int) -> list[Callable[[], Tensor]]:
        """For each style picture, a function that makes it at its size on a level."""
        sizes = self.levels[level].styles
        return [
            partial(resize, picture, size, self.resample)
            for picture, size in zip(pictures, sizes, strict=True)
        ]

    def planned(self, level: int, iteration: int, done: int) -> int:
        """Iterations planned at all levels, after ``done`` in all and ``iteration`` at ``level``."""
        return done + sum(each.iterations for each in self.levels[level:]) - iteration


def sizes(size: Size, *, smallest: int, ratio: float) -> list[Size]:
    """Sizes from coarse to fine, each ``ratio`` times the one before; the last is ``size``.

    The long side of the first is about ``smallest`` pixels.
    """
    count = max(0, round(math.log(max(size) / smallest, ratio))) if max(size) > smallest else 0
    scales = [ratio**-step for step in range(count, 0, -1)] + [1.0]
    return [(max(1, round(size[0] * scale)), max(1, round(size[1] * scale))) for scale in scales]


def split(iterations: int, levels: int, *, coarser: float = 1.0, first: float = 1.0) -> list[int]:
    """Divide ``iterations`` over the levels, at least 1 each.

    Args:
        coarser: a level's iterations as a multiple of those of the next finer level.
        first: a further factor for the coarsest level.
    """
    shares = [coarser ** (levels - 1 - level) for level in range(levels)]
    shares[0] *= first
    found = [max(1, round(iterations * share / sum(shares))) for share in shares]
    found[-1] = max(1, found[-1] + iterations - sum(found))
    return found


def pad_mirrored(image: Tensor, margin: int) -> Tensor:
    """(N, C, H, W), padded by ``margin`` mirrored pixels on every side."""
    return F.pad(image, (margin,) * 4, mode="reflect") if margin else image


def resize_and_pad(image: Tensor, size: Size, resample: Resample, margin: int) -> Tensor:
    """:func:`resize`, then :func:`pad_mirrored`, one channel at a time, which saves a second large picture."""
    if not margin:
        return resize(image, size, resample)
    height, width = size
    dtype = torch.promote_types(image.dtype, torch.float32)
    wide = image.new_empty(*image.shape[:2], height + 2 * margin, width + 2 * margin, dtype=dtype)
    for channel in range(image.shape[1]):
        plane = slice(channel, channel + 1)
        wide[:, plane] = pad_mirrored(resize(image[:, plane], size, resample), margin)
    return wide


def crop_margin(image: Tensor, margin: int) -> Tensor:
    """The inverse of :func:`pad_mirrored`, as a view."""
    return image[..., margin:-margin, margin:-margin] if margin else image


def upsample(
    image: Tensor,
    content: Tensor,
    sizes: tuple[Size, Size],
    detail: float,
    *,
    resample: Resample = "bicubic",
    seamless: bool = False,
    margin: int = 0,
) -> Tensor:
    """The picture of a coarse level, enlarged as the start of the next finer level.

    Args:
        image: (1, 3, h, w) in [0, 1], the result of the coarse level.
        content: the content picture at any size.
        sizes: sizes of the coarse and of the fine level.
        detail: share of the content's detail, fine level minus coarse level, that is added, so that the optimisation
            need not recover edges.
        resample: the filter that resizes the content.
        seamless: the picture is periodic: it continues at its opposite side.
        margin: mirrored pixels added on every side of the result.
    """
    coarse, fine = sizes
    height, width = fine
    larger = image.new_empty(*image.shape[:2], height + 2 * margin, width + 2 * margin)
    # One channel at a time saves the memory of a second large picture.
    for channel in range(image.shape[1]):
        plane = slice(channel, channel + 1)
        values, content_values = image[:, plane], content[:, plane]
        if detail:
            # Enlarging is linear: up(image) + detail (fine − up(coarse)), with one enlargement.
            values = values - detail * resize(content_values, coarse, resample)
        values = _enlarged(values, fine, seamless)
        if detail:
            values.add_(resize(content_values, fine, resample), alpha=detail)
        larger[:, plane] = pad_mirrored(values, margin)
    return larger.clamp_(0.0, 1.0)


def _enlarged(image: Tensor, size: Size, seamless: bool) -> Tensor:
    if not seamless:
        return F.interpolate(image, size, mode="bicubic", antialias=True, align_corners=False)
    # Sides are multiples of 16, so a circular padding of one sixteenth is an integer number of pixels at both sizes.
    rows, columns = image.shape[-2] // 16, image.shape[-1] // 16
    wide = F.pad(image, (columns, columns, rows, rows), mode="circular")
    height, width = size
    shape = (height + 2 * (height // 16), width + 2 * (width // 16))
    larger = F.interpolate(wide, shape, mode="bicubic", antialias=True, align_corners=False)
    return larger[..., height // 16 :, width // 16 :][..., :height, :width].contiguous()
