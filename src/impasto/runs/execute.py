"""From pictures and options to steps and a result: what `import impasto` offers and every app builds on."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from impasto import images
from impasto.encoders.weights import ARCHITECTURES
from impasto.engine import stylize as engine
from impasto.engine.evaluation import Evaluate, Prepare
from impasto.engine.pyramid import Level, Size, resize
from impasto.engine.state import State
from impasto.engine.stylize import Step
from impasto.errors import ParameterError
from impasto.losses.objective import Objective, draws
from impasto.runs import assemble
from impasto.runs.assemble import ENCODERS, Encoder
from impasto.runs.colors import Finish, recolored
from impasto.runs.plan import Plan, draw_up
from impasto.runs.presets import change, resolve
from impasto.runs.recipe import STARTS, Input, Recipe
from impasto.runs.regions import read_masks
from impasto.runs.shared import Shared, smallest
from impasto.runs.spelling import parse_memory
from impasto.runs.strength import balanced

Source = str | os.PathLike[str] | PIL.Image.Image | np.ndarray[Any, Any] | Tensor
"""A picture: a path, a PIL image, an array (H, W[, C]) or a tensor (3, H, W) or (1, 3, H, W)."""


@dataclass(frozen=True)
class Result:
    """A finished picture.

    Attributes:
        image: (1, 3, H, W), RGB in [0, 1]; (1, 4, H, W) with alpha where the photograph was cut out.
        recipe: all that is needed to paint it again.
        loss, losses: the total and its weighted terms at the picture as it is saved, in 8 bits.
        steps: iterations done.
        seconds: by phase: "read", "network", "strength" where one was measured, "paint", and "total".
        device, precision: what it was painted with.
        peak_memory: largest memory of the process so far, in bytes (on a GPU: of its allocator).
        notes: what was done to the pictures, and what the watchdog did, one line each.
        stopped: whether it was ended before the last iteration.
    """

    image: Tensor
    recipe: Recipe
    loss: float
    losses: Mapping[str, float]
    steps: int
    seconds: Mapping[str, float]
    device: str
    precision: str
    peak_memory: int
    notes: tuple[str, ...]
    stopped: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.image.shape[-1], self.image.shape[-2]

    def to_array(self) -> np.ndarray[Any, Any]:
        """(H, W, 3) uint8, or (H, W, 4) with alpha."""
        rounded = (self.image[0] * 255.0).round().clamp(0, 255).to(torch.uint8)
        return np.asarray(rounded.permute(1, 2, 0).cpu().numpy())

    def to_pil(self) -> PIL.Image.Image:
        """The picture as a PIL image."""
        return PIL.Image.fromarray(self.to_array())

    def save(self, path: str | os.PathLike[str], *, bits: Literal[8, 16] = 8) -> Path:
        """Write PNG, JPEG, WebP or TIFF by suffix, with the recipe inside; whole or not at all.

        Raises:
            ParameterError: another suffix, or 16 bits where the format has only 8.
            OutputError: the file cannot be written.
        """
        images.write(path, self.image, bits=bits, metadata=self.recipe.to_toml())
        return Path(path)


class Session:
    """One picture being painted: everything checked and planned, ready to iterate.

    The network is loaded by :meth:`load`, at the latest when iterating begins.

    Args:
        recipe: the settings.
        content, styles: the pictures.
        init: the first image, instead of what the recipe names.
        palette: the picture whose colours are taken, instead of the one that the recipe names.
        encoder: a network of the caller's own, when the recipe's is "custom".
        max_pixels: larger pictures are refused from their header.
        memory: bytes that may be used; None takes what the machine has free. Tiles and the optimiser's history are
            made smaller to fit.
        keep_plan: take the recipe's tiles, history and weights as they are: what is resumed must go on as it began.
        progress: called with (bytes done, bytes in all) while weights are downloaded.
        shared: what other sessions have read and computed before; the picture is the same without.

    Attributes:
        plan: what it will take; None for networks whose memory is not known.

    Raises:
        InputError: anything given cannot be used. Options are judged first, then pictures, then sizes and memory.
    """

    def __init__(
        self,
        recipe: Recipe,
        content: Source,
        styles: Sequence[Source],
        *,
        init: Source | None = None,
        palette: Source | None = None,
        encoder: Encoder | None = None,
        max_pixels: int = 100_000_000,
        memory: int | None = None,
        keep_plan: bool = False,
        progress: assemble.Progress | None = None,
        shared: Shared | None = None,
    ) -> None:
        self._started = time.perf_counter()
        if not isinstance(max_pixels, int) or max_pixels < 1:
            raise ParameterError(f"max_pixels: expected 1 or more, got {max_pixels!r}")
        if not styles:
            raise ParameterError("style: expected at least one picture, got none")
        recipe.check_styles(len(styles))
        if encoder is None and recipe.encoder == "custom":
            raise ParameterError(
                "encoder: the recipe was made with a network that is not in it; pass it as encoder="
            )
        assemble.check_layers(recipe, encoder.layers if encoder else ENCODERS[recipe.encoder].layers())
        self.objective = assemble.build_objective(recipe)
        self.device = choose_device(recipe.device)
        self.dtype, self.precision = choose_precision(recipe.precision, self.device, exact=recipe.faithful)
        read = images.read if shared is None else shared.read
        pictures = [read(source, max_pixels=max_pixels) for source in (content, *styles)]
        start = None
        if init is not None or recipe.init not in STARTS:
            start = read(recipe.init if init is None else init, max_pixels=max_pixels)
        if palette is None and recipe.palette is not None:
            palette = recipe.palette.path
        colors = None if palette is None else read(palette, max_pixels=max_pixels)
        every = [*pictures, *(each for each in (start, colors) if each is not None)]
        self.notes = tuple(
            dict.fromkeys(f"{picture.name}: {note}" for picture in every for note in picture.notes)
        )
        self.recipe = recipe.model_copy(
            update={
                "init": recipe.init if init is None or start is None else start.name,
                "content": _input(content, pictures[0]),
                "styles": tuple(
                    _input(source, picture) for source, picture in zip(styles, pictures[1:], strict=True)
                ),
                "palette": None if palette is None or colors is None else _input(palette, colors),
            }
        )
        photo, *paintings = (smallest(picture.pixels).to(self.device) for picture in pictures)
        paintings = assemble.turned(recipe, paintings)
        aim = None if colors is None else colors.pixels.to(self.device)
        self.content, self.styles, colored = recolored(recipe, photo, paintings, aim)
        self._masks = read_masks(
            self.recipe,
            _size(photo),
            partial(read, max_pixels=max_pixels),
            self.device,
            cutout=pictures[0].alpha,
            style_cutouts=assemble.turned(recipe, [picture.alpha for picture in pictures[1:]]),
        )
        self.recipe, self.notes = self._masks.recipe, self.notes + self._masks.notes
        put_back = self._masks.finish(photo)
        self._finish: Finish = lambda painted: put_back(colored(painted))
        self._init = None if start is None else start.pixels.to(self.device)
        # Sizes are judged before the network is loaded: that may take a download.
        self.levels = self._levels(1 if encoder else self._smallest_side())
        self._check_pixels("size: a result", self.levels[-1].size, max_pixels)
        self.plan = self._plan(memory) if encoder is None and not keep_plan else None
        if self.plan is None:  # no other limit
            for size in self.levels[-1].styles:
                self._check_pixels("style_size, style_scale: a style", size, max_pixels)
        if self.plan is not None:
            self.recipe = self.plan.recipe
            self.notes += self.plan.notes
        self._given, self._progress, self._shared = encoder, progress, shared
        # What is resumed has its weights, and they may not change in the last bit.
        self._balanced = recipe.strength is None or keep_plan
        self.encoder: Encoder | None = None
        self.seconds = {"read": time.perf_counter() - self._started}

    def load(self) -> Encoder:
        """The network, ready; loaded once. With it the recipe's strength becomes a style weight.

        Raises:
            InputError: its weights cannot be used, or there is nothing to balance.
        """
        if self.encoder is None:
            started = time.perf_counter()
            self.encoder = self._network()
            self.seconds["network"] = time.perf_counter() - started
        if not self._balanced:
            self._balanced = True
            started = time.perf_counter()
            self._balance(self.encoder)
            self.seconds["strength"] = time.perf_counter() - started
        return self.encoder

    def _network(self) -> Encoder:
        if self._given is None and self._shared is not None:
            return self._shared.encoder(
                self.recipe, device=self.device, dtype=self.dtype, progress=self._progress
            )
        encoder = self._given or assemble.build_encoder(self.recipe, progress=self._progress)
        return encoder.to(device=self.device, dtype=self.dtype)

    def _balance(self, encoder: Encoder) -> None:
        recipe = self.recipe
        if self._given is not None:  # a digest cannot tell one network of the user's own from another
            recipe = recipe.model_copy(update={"measured_for": None})
        self.recipe = balanced(
            recipe,
            content=self.content,
            styles=self.styles,
            size=self.size,
            least=1 if self._given else self._smallest_side(),
            prepare=partial(self._prepared, encoder, unit=255.0),
            kept=None if self._shared is None or self._given is not None else self._shared.targets,
        )
        self.objective = assemble.build_objective(self.recipe)
        self.notes += (f"strength {self.recipe.strength:g}: style weight {self.recipe.style_weight:g}",)

    @staticmethod
    def _check_pixels(what: str, size: Size, limit: int) -> None:
        height, width = size
        if height * width > limit:
            raise ParameterError(
                f"{what} of {width}x{height} has {height * width} pixels, the limit is {limit}"
            )

    def _plan(self, memory: int | None) -> Plan | None:
        if self.recipe.encoder not in ARCHITECTURES:
            return None
        return draw_up(
            self.recipe,
            content=_size(self.content),
            styles=[_size(style) for style in self.styles],
            levels=self.levels,
            device=self.device,
            dtype=self.dtype,
            memory=memory,
        )

    def _smallest_side(self) -> int:
        return assemble.least_side(self.recipe, self.objective)

    def _levels(self, least: int) -> list[Level]:
        return assemble.build_levels(
            self.recipe,
            _size(self.content),
            [_size(style) for style in self.styles],
            # A picture to go on from is nearly done: shrunk to a coarse level it would lose what is fine in it.
            final_only=self._init is not None and not self.recipe.faithful,
            least=least,
        )

    @property
    def size(self) -> Size:
        """(height, width) of the result."""
        return self.levels[-1].size

    def __iter__(self) -> Iterator[Step]:
        return self.steps()

    def steps(self, resume: State | None = None) -> Iterator[Step]:
        """Paint, from the start or from what :meth:`Step.state` gave."""
        torch.manual_seed(self.recipe.seed)
        start = assemble.build_start(self.recipe, self.levels[0].size, self.content, self.styles, self._init)
        return engine.iterate(
            content=self.content,
            styles=self.styles,
            prepare=self._prepare(float(self.recipe.unit)),
            levels=self.levels,
            start=start,
            solver=assemble.build_solver(self.recipe),
            unit=float(self.recipe.unit),
            detail=self.recipe.detail,
            least_fall=self.recipe.least_fall,
            redraw=engine.REDRAW if draws(self.objective) else 0,
            resample=self.recipe.resample,
            resume=resume,
            finish=self._finish,
            seamless=self.recipe.seamless,
        )

    def evaluate(self) -> Evaluate:
        """The objective at the final size, of pictures in [0, 1]."""
        level = self.levels[-1]
        return self._prepare(1.0)(
            partial(resize, self.content, level.size, self.recipe.resample),
            [
                partial(resize, style, size, self.recipe.resample)
                for style, size in zip(self.styles, level.styles, strict=True)
            ],
        )

    def _prepare(self, unit: float) -> Prepare:
        encoder = self.load()
        return self._prepared(encoder, self.objective, unit=unit)

    def _prepared(self, encoder: Encoder, objective: Objective, *, unit: float) -> Prepare:
        return assemble.build_evaluation(
            encoder,
            objective,
            self.recipe.style_shares,
            unit=unit,
            tile=self.recipe.tile,
            kept=None if self._shared is None else self._shared.targets,
            regions=self._masks.regions,
            seamless=self.recipe.seamless,
        )

    def result(self, last: Step, *, notes: Sequence[str] = ()) -> Result:
        """The result as it stands after ``last``: the picture at its final size, judged as it will be saved."""
        finished = last.done == last.planned
        image = resize(last.take() if finished else last.painted, self.size)
        saved = (image * 255.0).round_()
        if last.level == len(self.levels) - 1:
            judged = last.judge(saved, white=255.0)
        else:
            judged = self.evaluate()(saved.div_(255.0), slope=False)
        del saved
        total = time.perf_counter() - self._started
        paint = total - sum(self.seconds.values())
        return Result(
            image=self._finish(image).cpu(),
            recipe=self.recipe,
            loss=judged.loss,
            losses=judged.terms,
            steps=last.done,
            seconds={**self.seconds, "paint": paint, "total": total},
            device=str(self.device),
            precision=self.precision,
            peak_memory=peak_memory(self.device),
            notes=(*self.notes, *notes),
            stopped=not finished,
        )


def _size(image: Tensor) -> Size:
    return image.shape[-2], image.shape[-1]


def iterate(content: Source, style: Source | Sequence[Source], **options: Any) -> Iterator[Step]:
    """Paint ``content`` in the style of ``style``, one :class:`Step` at a time.

    Takes what :func:`stylize` takes. Close the iterator, or just stop, to end early; ``step.image`` is the picture
    so far.
    """
    return iter(make_session(content, style, options))


def stylize(
    content: Source,
    style: Source | Sequence[Source],
    *,
    on_step: Callable[[Step], object] | None = None,
    **options: Any,
) -> Result:
    """Paint ``content`` in the style of ``style``.

    Args:
        content: the picture whose content is kept: a path, PIL image, array or tensor.
        style: the picture whose style is taken, or a sequence of several.
        on_step: called with each :class:`Step`.
        options: ``preset`` ("impasto"), ``size`` (512, the long side in pixels; 0 keeps the content's),
            ``style_weight`` or ``strength``, ``steps``, ``seed``, … : the fields of :class:`impasto.Recipe`.
            ``init`` and ``palette`` may also be pictures, and ``encoder`` a network of your own
            (:func:`impasto.from_module`). Besides: ``recipe``, to repeat one; ``max_pixels``, beyond which pictures
            are refused; ``memory`` ("4GB"), which it must not exceed; ``progress``, called with (bytes done, bytes in
            all) while weights are downloaded.

    Returns:
        the picture, with the recipe that paints it again.

    Raises:
        InputError: anything given cannot be used.
        DivergedError: the optimisation cannot go on.

    Example:
        >>> impasto.stylize("photo.jpg", "painting.jpg", size=512).save("out.png")  # doctest: +SKIP
    """
    session = make_session(content, style, options)
    last: Step | None = None
    notes: list[str] = []
    for last in session:
        notes += last.notes
        if on_step is not None:
            on_step(last)
    if last is None:
        raise TypeError("a session without steps")
    return session.result(last, notes=notes)


def plan(content: Source, style: Source | Sequence[Source], **options: Any) -> Plan | None:
    """What :func:`stylize` would take with the same arguments: memory and time, before anything is computed.

    Returns:
        the plan, or None for networks whose memory is not known.

    Raises:
        InputError: anything given cannot be used, or does not fit the memory.
    """
    return make_session(content, style, options).plan


def make_session(content: Source, style: Source | Sequence[Source], options: Mapping[str, Any]) -> Session:
    """The session of what :func:`stylize` takes.

    Raises:
        InputError: anything given cannot be used.
    """
    settings = dict(options)
    max_pixels = settings.pop("max_pixels", 100_000_000)
    memory = settings.pop("memory", None)
    progress = settings.pop("progress", None)
    recipe = settings.pop("recipe", None)
    init = settings.pop("init", None)
    palette = settings.pop("palette", None)
    if palette is not None:
        name = os.fspath(palette) if isinstance(palette, str | os.PathLike) else "palette"
        settings["palette"] = Input(path=name)
    if recipe is not None and not isinstance(recipe, Recipe):
        raise ParameterError(f"recipe: expected a Recipe, got {type(recipe).__name__}")
    encoder = settings.get("encoder")
    if callable(encoder):
        settings["encoder"] = "custom"
    else:
        encoder = None
    if init is not None and isinstance(init, str | os.PathLike):
        settings["init"], init = os.fspath(init), None
    if recipe is not None and settings:
        recipe = change(recipe, settings)
    elif recipe is None:
        recipe = resolve(**settings)
    styles = style if isinstance(style, list | tuple) else [style]
    return Session(
        recipe,
        content,
        cast(Sequence[Source], styles),
        init=init,
        palette=palette,
        encoder=encoder,
        max_pixels=max_pixels,
        memory=None if memory is None else parse_memory(memory),
        progress=progress,
    )


def _input(source: Source, picture: images.Picture) -> Input:
    path = os.fspath(source) if isinstance(source, str | os.PathLike) else picture.name
    return Input(path=path, sha256=picture.sha256)


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" takes a GPU if there is one.

    Raises:
        ParameterError: the device is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if there[device])
    if not there[name]:
        found = ", ".join(device for device, is_there in there.items() if is_there)
        raise ParameterError(f"device: expected one this machine has ({found}), got {name!r}")
    return torch.device(name)


def choose_precision(name: str, device: torch.device, *, exact: bool) -> tuple[torch.dtype, str]:
    """The number type of the network, and its name.

    "auto" takes bfloat16 where the processor multiplies it faster than float32, unless ``exact`` is asked for.
    """
    if name == "bf16" or (name == "auto" and not exact and _multiplies_bf16(device)):
        return torch.bfloat16, "bf16"
    return torch.float32, "fp32"


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # What torch.amp itself asks; there is no public name for it.
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def peak_memory(device: torch.device) -> int:
    """The most memory used so far, in bytes: of the GPU's allocator, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
