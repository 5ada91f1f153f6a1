"""One picture being painted: its pictures read, its settings checked and planned, its steps and their changes."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor

from impasto.assembly.device import adapt_to_machine, choose_device, choose_precision, peak_memory
from impasto.assembly.guided_filter import guided_filter
from impasto.assembly.masks import Masks, Read, read_masks
from impasto.assembly.networks import Encoder, Progress
from impasto.engine.evaluation import Evaluate
from impasto.engine.pyramid import Level
from impasto.engine.solvers.state import State
from impasto.engine.steering import Course, Finish, Steering
from impasto.engine.step import Step
from impasto.errors import ParameterError
from impasto.geometry import Size, size_of
from impasto.recipes.fields import RegionOf
from impasto.recipes.presets import change
from impasto.recipes.recipe import Recipe
from impasto.transfer.engine import Materials
from impasto.transfer.engines import ENGINES
from impasto.transfer.optimizing import Optimizing
from impasto.transfer.painting import Painting
from impasto.transfer.pictures import Pictures, Sources, read_pictures
from impasto.transfer.resources import Resources
from impasto.transfer.result import Result


@dataclass(frozen=True)
class Limits:
    """What a session may take.

    Attributes:
        max_pixels: larger pictures are refused from their header.
        memory: bytes that may be used; None takes what the machine has free. Tiles and the optimiser's history are
            made smaller to fit.

    Raises:
        ParameterError: a limit that lets nothing through.
    """

    max_pixels: int = 100_000_000
    memory: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.max_pixels, int) or self.max_pixels < 1:
            raise ParameterError(f"max_pixels: expected 1 or more, got {self.max_pixels!r}")


class Session:
    """One picture being painted: everything checked and planned, ready to iterate.

    The network is loaded by :meth:`load`, at the latest when iterating begins.

    Args:
        recipe: the settings; its engine paints.
        sources: the pictures.
        limits: what it may take.
        encoder: a network of the caller's own, when the recipe's is "custom".
        asked: which of the settings were given here and now; None: all. The others were written down, perhaps on
            another machine, and what this one does not have gives way to what it has.
        keep_plan: take the recipe's tiles, history and weights as they are: what is resumed must go on as it began.
        progress: called with (bytes done, bytes in all) while weights are downloaded.
        resources: reads the pictures and loads the network; one that is shared is read and loaded once.

    Attributes:
        plan: what it will take; None for networks whose memory is not known.

    Raises:
        InputError: anything given cannot be used. Options are judged first, then pictures, then sizes and memory.
    """

    def __init__(
        self,
        recipe: Recipe,
        sources: Sources,
        *,
        limits: Limits | None = None,
        encoder: Encoder | None = None,
        asked: Collection[str] | None = None,
        keep_plan: bool = False,
        progress: Progress | None = None,
        resources: Resources | None = None,
    ) -> None:
        self._started, limits = time.perf_counter(), limits or Limits()
        resources = resources or Resources()
        self._check(recipe, sources, encoder)
        replaced: tuple[str, ...] = ()
        if asked is not None:
            recipe, replaced = adapt_to_machine(recipe, asked=asked)
        self.device = choose_device(recipe.device)
        self.dtype, self.precision = choose_precision(recipe.precision, self.device, exact=recipe.faithful)
        read = partial(resources.read, max_pixels=limits.max_pixels)
        self._pictures = read_pictures(recipe, sources, read, self.device)
        self.recipe = self._pictures.recipe
        self.notes = tuple(dict.fromkeys((*replaced, *self._pictures.notes)))
        self._masks = _SessionMasks(self._pictures, read)
        self._take_all_masks()
        materials = Materials(
            pictures=self._pictures,
            masks=self._masks.of,
            finish=partial(_finish, self._pictures, self._masks),
            device=self.device,
            dtype=self.dtype,
            tf32=self.precision == "tf32",
            resources=resources,
            encoder=encoder,
            progress=progress,
        )
        self.engine = ENGINES[recipe.engine].build(self.recipe, materials)
        _check_pixels("size: a result", self.size, limits.max_pixels)
        self.engine.check_changes(self.recipe)
        self.plan = None if keep_plan else self.engine.plan(self.recipe, limits.memory)
        if self.plan is None:  # no other limit
            for size in self.levels[-1].styles:
                _check_pixels("style_size, style_scale: a style", size, limits.max_pixels)
        else:
            self.recipe = self.plan.recipe
            self.notes += self.plan.notes
        # What is resumed has its weights, and they may not change in the last bit.
        self._balanced = recipe.strength is None or keep_plan
        self._loaded = False
        self.seconds = {"read": time.perf_counter() - self._started}

    @staticmethod
    def _check(recipe: Recipe, sources: Sources, encoder: Encoder | None) -> None:
        """Refuse what can be refused before a picture is read."""
        if not sources.styles:
            raise ParameterError("style: expected at least one picture, got none")
        recipe.check_styles(len(sources.styles))
        ENGINES[recipe.engine].check(recipe, encoder)

    @property
    def levels(self) -> Sequence[Level]:
        """The sizes that are worked at, coarse to fine."""
        return self.engine.levels

    @property
    def size(self) -> Size:
        """(height, width) of the result."""
        return self.levels[-1].size

    @property
    def content(self) -> Tensor:
        """The content picture as it is compared with, (1, 3, H, W) in [0, 1]."""
        return self._pictures.content

    @property
    def styles(self) -> Sequence[Tensor]:
        """The style pictures as they are compared with."""
        return self._pictures.styles

    def load(self) -> None:
        """Load the network, once. With it the recipe's strength becomes a style weight.

        Raises:
            InputError: its weights cannot be used, or there is nothing to balance.
        """
        if not self._loaded:
            started = time.perf_counter()
            self.engine.load(self.recipe)
            self.seconds["network"] = time.perf_counter() - started
            self._loaded = True
        if not self._balanced:
            self._balanced = True
            started = time.perf_counter()
            self.recipe = self.engine.balance(self.recipe)
            self.notes += (f"strength {self.recipe.strength:g}: style weight {self.recipe.style_weight:g}",)
            self.seconds["strength"] = time.perf_counter() - started

    def __iter__(self) -> Painting:
        return self.steps()

    def steps(self, resume: State | None = None, *, undo_bytes: int = 0) -> Painting:
        """Paint, from the start or from what :meth:`Step.state` gave.

        Args:
            undo_bytes: memory for states that can be gone back to at once.
        """
        if self.plan is not None:
            undo_bytes = min(undo_bytes, self.plan.limit - self.plan.memory)
        self.load()

        def begin(steering: Steering, resume: State | None) -> Iterator[Step]:
            return self.engine.steps(self.recipe, steering, resume)

        return Painting(self, begin, resume=resume, undo_bytes=undo_bytes)

    def evaluate(self, done: int = 0) -> Evaluate:
        """The objective at the final size, of pictures in [0, 1]: what the step after ``done`` iterations goes by.

        Raises:
            ParameterError: the engine has no objective.
        """
        if not isinstance(self.engine, Optimizing):
            raise ParameterError(f"engine: expected one with an objective, got {self.recipe.engine!r}")
        self.load()
        return self.engine.evaluate(self.recipe, done)

    # --- changes while painting -----------------------------------------------------------------------------

    def course(self, done: int) -> Course:
        """What the step after ``done`` iterations goes by; the same objective is the same ``prepare``."""
        self.load()
        return self.engine.course(self.recipe, done)

    def change(self, done: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Let settings be others from the step after ``done`` iterations on.

        Args:
            given: name -> value; a strength is measured, and becomes the weight that it comes to.

        Returns:
            those that are others now.

        Raises:
            InputError: a setting that cannot be changed while painting, a value out of range, or a mask that
                cannot be read.
        """
        before = self.recipe.after(done)
        if given.get("strength") is not None:
            self.load()
            given = dict(given)
            told = {"strength", "content_weight", "style_weight"} & given.keys()
            wanted = change(
                before, {name: given.pop(name) for name in told}
            )  # which refuses a weight beside it
            given["style_weight"] = self.engine.balance(wanted).style_weight
        given = {name: value for name, value in given.items() if value is not None}
        settings = self.recipe.changed(done, given).after(done)
        given = {name: getattr(settings, name) for name in given}
        if "regions" in given:
            given["regions"] = self._take_masks(settings)
        given = {name: value for name, value in given.items() if value != getattr(before, name)}
        if given:
            recipe, self.recipe = self.recipe, self.recipe.changed(done, given)
            try:
                self.engine.check_changes(self.recipe)
            except ParameterError:
                self.recipe = recipe
                raise
        return given

    def forget_changes(self, done: int) -> None:
        """Drop the changes after ``done`` iterations and later."""
        self.recipe = self.recipe.before(done)

    def _take_all_masks(self) -> None:
        """Read the masks of the recipe and of its changes; it has their hashes then."""
        changes = tuple(
            each
            if each.regions is None
            else each.model_copy(update={"regions": self._take_masks(self.recipe.after(each.at))})
            for each in self.recipe.changes
        )
        regions = self._take_masks(self.recipe)
        self.recipe = self.recipe.model_copy(update={"regions": regions, "changes": changes})

    def _take_masks(self, settings: Recipe) -> tuple[RegionOf, ...]:
        """The regions with the hashes of their masks, which are read."""
        masks = self._masks.read(settings)
        self.notes += tuple(note for note in masks.notes if note not in self.notes)
        return masks.recipe.regions

    # --- the end --------------------------------------------------------------------------------------------

    def result(self, last: Step, *, notes: Sequence[str] = ()) -> Result:
        """The result as it stands after ``last``: the picture at its final size, judged as it will be saved."""
        painted = self.engine.final_picture(self.recipe, last)
        total = time.perf_counter() - self._started
        paint = total - sum(self.seconds.values())
        return Result(
            image=self.course(last.done - 1).finish(painted.image).cpu(),
            recipe=self.recipe,
            loss=painted.judged.loss,
            losses=painted.judged.terms,
            steps=last.done,
            seconds={**self.seconds, "paint": paint, "total": total},
            device=str(self.device),
            precision=self.precision,
            peak_memory=peak_memory(self.device),
            notes=(*self.notes, *notes, *painted.notes),
            stopped=last.done != last.planned,
        )


class _SessionMasks:
    """The masks of a recipe and of its changes, each read once."""

    def __init__(self, pictures: Pictures, read: Read) -> None:
        self._pictures, self._read = pictures, read
        self._masks: dict[tuple[RegionOf, ...], Masks] = {}

    def read(self, settings: Recipe) -> Masks:
        """Read the masks of those settings; their recipe has the hashes.

        Raises:
            InputError: a mask cannot be used.
        """
        masks = read_masks(
            settings,
            content=size_of(self._pictures.photo),
            read=self._read,
            device=self._pictures.photo.device,
            alpha=self._pictures.alpha,
            style_alphas=self._pictures.style_alphas,
        )
        self._masks[masks.recipe.regions] = masks
        return masks

    def of(self, settings: Recipe) -> Masks:
        """The masks of settings that have been read."""
        return replace(self._masks[settings.regions], recipe=settings)


def _finish(pictures: Pictures, masks: _SessionMasks, settings: Recipe) -> Finish:
    """What becomes of a picture that is looked at. Nothing of the session is in it, which keeps the function."""
    put_back, colored = masks.of(settings).finish(pictures.photo), pictures.restore_colors
    content, photo_finish = pictures.content, settings.photo_finish
    return lambda painted: put_back(colored(guided_filter(painted, content, photo_finish)))


def _check_pixels(what: str, size: Size, limit: int) -> None:
    height, width = size
    if height * width > limit:
        raise ParameterError(f"{what} of {width}x{height} has {height * width} pixels, the limit is {limit}")
