"""A session paints one picture: it reads the pictures, checks and plans the settings, and drives the engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor

from impasto.assembly.device import adapt_to_machine, choose_device, choose_precision, peak_memory
from impasto.assembly.guided_filter import guided_filter
from impasto.assembly.masks import Masks, read_masks
from impasto.assembly.networks import Encoder, Progress
from impasto.engine.evaluation import Evaluate
from impasto.engine.pyramid import Level
from impasto.engine.solvers.state import State
from impasto.engine.steering import Course, Finish, Steering
from impasto.engine.step import Step
from impasto.errors import ParameterError
from impasto.geometry import Size
from impasto.images import Picture, Source
from impasto.modes import own_modes
from impasto.recipes.fields import RegionOf
from impasto.recipes.presets import change
from impasto.recipes.recipe import Recipe
from impasto.transfer.engine import Materials
from impasto.transfer.engines import ENGINES
from impasto.transfer.optimizing import Optimizing
from impasto.transfer.pace import Pace, learn
from impasto.transfer.painting import Painting
from impasto.transfer.pictures import Pictures, Sources, enlargements, name_masks, read_pictures
from impasto.transfer.resources import Resources
from impasto.transfer.result import Result

_IMPORTING = 1.5  # seconds until a command has imported torch and begins


@dataclass(frozen=True)
class Limits:
    """Limits of a session.

    Attributes:
        max_pixels: pictures with more pixels are refused before they are decoded.
        memory: bytes that may be used; None is the machine's free memory. The planner makes tiles and the solver's
            history smaller to fit.

    Raises:
        ParameterError: ``max_pixels`` is below 1.
    """

    max_pixels: int = 100_000_000
    memory: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.max_pixels, int) or self.max_pixels < 1:
            raise ParameterError(f"max_pixels: expected 1 or more, got {self.max_pixels!r}")


class Session:
    """Paints one picture. A new session has checked and planned everything and is ready to iterate.

    :meth:`load` loads the network, at the latest when iteration begins.

    Args:
        recipe: the settings, with the engine's name.
        sources: the pictures.
        limits: of memory and pixels.
        encoder: a network of the caller's own, where the recipe's is "custom".
        asked: names of the settings that the user gave now; None: all. The other settings come from a saved recipe,
            perhaps from another machine. A device or a precision that this machine lacks is replaced in those.
        keep_plan: keep the recipe's tiles, history and weights, since a resumed run must be bit-identical.
        progress: called with (bytes done, bytes in all) while weights are downloaded.
        resources: reads the pictures and loads the network.
        on_note: called with each note as soon as it is known.

    Attributes:
        notes: conversions of the pictures, and changes of settings, one line each.
        plan: memory and time; None for a network whose memory is not known.

    Raises:
        InputError: anything given cannot be used. Options are checked first, then pictures, then sizes and memory.
    """

    @own_modes()
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
        on_note: Callable[[str], object] | None = None,
    ) -> None:
        self._started, limits = time.perf_counter(), limits or Limits()
        self._shares, resources = resources is not None, resources or Resources()
        self._check(recipe, sources, encoder)
        self.notes: tuple[str, ...] = ()
        self._on_note = on_note
        if asked is not None:
            recipe, replaced = adapt_to_machine(recipe, asked=asked)
            self.note(*replaced)
        self.device = choose_device(recipe.device)
        self.dtype, self.precision = choose_precision(recipe.precision, self.device, exact=recipe.faithful)
        read = partial(resources.read, max_pixels=limits.max_pixels)
        self._pictures = read_pictures(recipe, sources, read, self.device, self.note)
        self.recipe = self._pictures.recipe
        self._masks = _SessionMasks(self._pictures, sources, read)
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
        if self.plan is None:  # nothing else limits their memory
            for size in self.levels[-1].styles:
                _check_pixels("style_size, style_scale: a style", size, limits.max_pixels)
        else:
            self.recipe = self.plan.recipe
            self.note(*self.plan.notes)
        self.note(*enlargements(self._pictures, self.levels[-1]))
        # A resumed run has its weights, and a new measurement could differ in the last bit.
        self._balanced = recipe.strength is None or keep_plan
        self._loaded = False
        self.seconds = {"read": time.perf_counter() - self._started}

    @staticmethod
    def _check(recipe: Recipe, sources: Sources, encoder: Encoder | None) -> None:
        """Check the settings, before a picture is read."""
        if not sources.styles:
            raise ParameterError("style: expected at least one picture, got none")
        recipe.check_styles(len(sources.styles))
        ENGINES[recipe.engine].check(recipe, encoder)

    @property
    def levels(self) -> Sequence[Level]:
        """The sizes that the engine works at, coarse to fine."""
        return self.engine.levels

    @property
    def size(self) -> Size:
        """(height, width) of the result."""
        return self.levels[-1].size

    @property
    def content(self) -> Tensor:
        """The content picture, recoloured if the recipe says so, (1, 3, H, W) in [0, 1]."""
        return self._pictures.content

    @property
    def styles(self) -> Sequence[Tensor]:
        """The style pictures, recoloured if the recipe says so, (1, 3, H, W) in [0, 1]."""
        return self._pictures.styles

    @own_modes()
    def load(self, *, measuring: Callable[[], object] | None = None) -> None:
        """Load the network, once. The recipe's strength then becomes a style weight.

        Args:
            measuring: called before a strength is measured, which takes seconds.

        Raises:
            InputError: the network's weights cannot be used, or the strength cannot be measured.
        """
        if not self._loaded:
            started = time.perf_counter()
            self.engine.load(self.recipe)
            self.seconds["network"] = time.perf_counter() - started
            self._loaded = True
        if not self._balanced:
            self._balanced = True
            if measuring is not None:
                measuring()
            started = time.perf_counter()
            self.recipe = self.engine.balance(self.recipe)
            self.note(f"strength {self.recipe.strength:g}: style weight {self.recipe.style_weight:g}")
            self.seconds["strength"] = time.perf_counter() - started

    def __iter__(self) -> Painting:
        return self.steps()

    @own_modes()
    def steps(self, resume: State | None = None, *, undo_bytes: int = 0) -> Painting:
        """The steps, from the start or from a state of :meth:`impasto.engine.step.Step.state`.

        Args:
            undo_bytes: memory for snapshots, which make an undo immediate.
        """
        if self.plan is not None:
            undo_bytes = min(undo_bytes, self.plan.limit - self.plan.memory)
        self.load()

        def begin(steering: Steering, resume: State | None) -> Iterator[Step]:
            return self.engine.steps(self.recipe, steering, resume)

        self._pace = Pace(self.levels, None if self.plan is None else self.plan.forecast)
        self._resumed = resume is not None
        return Painting(self, begin, self._pace, resume=resume, undo_bytes=undo_bytes)

    @own_modes()
    def evaluate(self, done: int = 0) -> Evaluate:
        """The objective at the final size, of pictures in [0, 1], with the settings after ``done`` iterations.

        Raises:
            ParameterError: the engine has no objective.
        """
        if not isinstance(self.engine, Optimizing):
            raise ParameterError(f"engine: expected one with an objective, got {self.recipe.engine!r}")
        self.load()
        return self.engine.evaluate(self.recipe, done)

    # --- changes while painting -----------------------------------------------------------------------------

    @own_modes()
    def course(self, done: int) -> Course:
        """The course of the step after ``done`` iterations. Equal objectives have the same ``prepare``."""
        self.load()
        return self.engine.course(self.recipe, done)

    @own_modes()
    def change(self, done: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Change settings from the step after ``done`` iterations on.

        Args:
            given: name -> value. A strength is measured and becomes a style weight.

        Returns:
            the settings that have changed.

        Raises:
            InputError: a setting that cannot be changed while painting, a value out of range, or a mask that
                cannot be read.
        """
        before = self.recipe.after(done)
        if given.get("regions") is not None:
            named, masks = name_masks(given["regions"])
            given = {**given, "regions": named}
            self._masks.sources |= masks
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
        if _changes_masks(given):
            regions = self._take_masks(settings)
            given |= {"regions": regions} if "regions" in given else {}
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
        """Read the masks of the recipe and of its changes, and write their hashes into it."""
        regions = self._take_masks(self.recipe)
        changes = []
        for each in self.recipe.changes:
            if _changes_masks(each.settings):
                taken = self._take_masks(self.recipe.after(each.at))
                each = each if each.regions is None else each.model_copy(update={"regions": taken})
            changes.append(each)
        self.recipe = self.recipe.model_copy(update={"regions": regions, "changes": tuple(changes)})

    def _take_masks(self, settings: Recipe) -> tuple[RegionOf, ...]:
        """Read the masks of the regions; returns the regions with the masks' hashes."""
        masks = self._masks.read(settings)
        self.note(*masks.notes)
        return masks.recipe.regions

    def note(self, *notes: str) -> None:
        """Add those notes that are new."""
        for note in notes:
            if note not in self.notes:
                self.notes += (note,)
                if self._on_note is not None:
                    self._on_note(note)

    # --- the end --------------------------------------------------------------------------------------------

    @own_modes()
    def result(self, last: Step, *, notes: Sequence[str] = ()) -> Result:
        """The result after ``last``: the picture at its final size, with the losses of the saved picture."""
        started = time.perf_counter()
        painted = self.engine.final_picture(self.recipe, last)
        finished = last.done == last.planned
        if finished:
            self._learn(time.perf_counter() - started)
            last.release()  # whoever keeps the step does not keep the network
        total = time.perf_counter() - self._started
        paint = total - sum(self.seconds.values())
        return Result(
            image=self.course(last.done - 1).finish(painted.image).cpu(),
            recipe=self.recipe,
            loss=painted.judged.loss,
            losses=painted.judged.terms,
            last_loss=last.loss,
            steps=last.done,
            seconds={**self.seconds, "paint": paint, "total": total},
            device=str(self.device),
            precision=self.precision,
            peak_memory=peak_memory(self.device),
            notes=(*self.notes, *notes, *painted.notes),
            stopped=not finished,
        )

    def _learn(self, end: float) -> None:
        """Keep what the picture has taken, for the next plan."""
        if self.plan is None or self._resumed or self.recipe.changes:
            return
        learn(
            self._pace,
            self.plan.forecast,
            self.recipe,
            self.levels,
            start=None if self._shares else _IMPORTING + self.seconds["read"] + self.seconds["network"],
            end=end,
            device=self.device,
            dtype=self.dtype,
        )


class _SessionMasks:
    """The masks of a recipe and of its changes, each read once."""

    def __init__(self, pictures: Pictures, sources: Sources, read: Callable[[Source], Picture]) -> None:
        self._pictures, self._read = pictures, read
        self.sources = dict(sources.masks)
        self._masks: dict[tuple[RegionOf, ...], Masks] = {}

    def read(self, settings: Recipe) -> Masks:
        """Read the masks of the settings; the recipe of the result has their hashes.

        Raises:
            InputError: a mask cannot be used.
        """
        masks = read_masks(
            settings,
            content=self._pictures.content_size,
            read=lambda path: self._read(self.sources.get(path, path)),
            device=self._pictures.photo.device,
            alpha=self._pictures.alpha,
            style_alphas=self._pictures.style_alphas,
        )
        self._masks[masks.recipe.regions] = masks
        return masks

    def of(self, settings: Recipe) -> Masks:
        """The masks of settings, read before."""
        return replace(self._masks[settings.regions], recipe=settings)


def _changes_masks(settings: Collection[str]) -> bool:
    """Whether new masks, or a style that was left out, must be checked after a change of these settings."""
    return "regions" in settings or "style_weights" in settings


def _finish(pictures: Pictures, masks: _SessionMasks, settings: Recipe) -> Finish:
    """How a picture is finished. The function does not refer to the session, which refers to the function."""
    put_back, colored = masks.of(settings).finish(pictures.photo), pictures.restore_colors
    content, photo_finish = pictures.content, settings.photo_finish
    return lambda painted: put_back(colored(guided_filter(painted, content, photo_finish)))


def _check_pixels(what: str, size: Size, limit: int) -> None:
    height, width = size
    if height * width > limit:
        raise ParameterError(f"{what} of {width}x{height} has {height * width} pixels, the limit is {limit}")
