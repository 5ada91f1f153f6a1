"""One picture being painted: its pictures read, its settings checked and planned, its steps and what they go by."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor

from impasto import images
from impasto.assembly.device import at_home, choose_device, choose_precision, peak_memory
from impasto.assembly.guided_filter import recolored_photo
from impasto.assembly.masks import Masks, read_masks
from impasto.assembly.networks import ENCODERS, Encoder, Progress, build_encoder, check_layers
from impasto.assembly.objective import build_evaluation, build_objective, least_side
from impasto.assembly.schedule import build_levels, build_solver, build_start, learning_rate, margin
from impasto.engine import optimize as engine
from impasto.engine.cache import LRUCache
from impasto.engine.evaluation import Evaluate, Evaluation, EvaluatorFactory
from impasto.engine.memory import release_free_memory
from impasto.engine.optimize import Step
from impasto.engine.pyramid import Level
from impasto.engine.solvers.state import State
from impasto.engine.steering import Course, Steering
from impasto.errors import ParameterError
from impasto.geometry import Size, resize, size_of
from impasto.losses.objective import Objective, draws
from impasto.recipes.fields import CHANGEABLE, RegionOf
from impasto.recipes.presets import change
from impasto.recipes.recipe import Recipe
from impasto.transfer.painting import Painting
from impasto.transfer.pictures import Sources, read_pictures
from impasto.transfer.planner import Plan, draw_up
from impasto.transfer.result import Result
from impasto.transfer.session_cache import SessionCache
from impasto.transfer.strength import balanced

KEPT_BYTES = 60_000_000
"""Memory for what pictures are compared with, so that it is not computed again where only a weight has changed."""


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
        recipe: the settings.
        sources: the pictures.
        limits: what it may take.
        encoder: a network of the caller's own, when the recipe's is "custom".
        asked: which of the settings were given here and now; None: all. The others were written down, perhaps on
            another machine, and what this one does not have gives way to what it has.
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
        sources: Sources,
        *,
        limits: Limits | None = None,
        encoder: Encoder | None = None,
        asked: Collection[str] | None = None,
        keep_plan: bool = False,
        progress: Progress | None = None,
        shared: SessionCache | None = None,
    ) -> None:
        self._started, limits = time.perf_counter(), limits or Limits()
        self._given, self._progress, self._shared = encoder, progress, shared
        self._check(recipe, sources)
        self.objective = build_objective(recipe)
        replaced: tuple[str, ...] = ()
        if asked is not None:
            recipe, replaced = at_home(recipe, asked=asked)
        self.device = choose_device(recipe.device)
        self.dtype, self.precision = choose_precision(recipe.precision, self.device, exact=recipe.faithful)
        read = partial(images.read if shared is None else shared.read, max_pixels=limits.max_pixels)
        self._pictures = read_pictures(recipe, sources, read, self.device)
        self.content, self.styles = self._pictures.content, self._pictures.styles
        self.recipe = self._pictures.recipe
        self.notes = tuple(dict.fromkeys((*replaced, *self._pictures.notes)))
        self._masks: dict[tuple[RegionOf, ...], Masks] = {}
        self._read_masks = partial(
            read_masks,
            content=size_of(self._pictures.photo),
            read=read,
            device=self.device,
            cutout=self._pictures.cutout,
            style_cutouts=self._pictures.style_cutouts,
        )
        self._take_all_masks()
        # Sizes are judged before the network is loaded: that may take a download.
        self.levels = self._levels(1 if encoder else self._smallest_side(recipe))
        self.margin = margin(recipe, self.levels)
        self._check_pixels("size: a result", self.levels[-1].size, limits.max_pixels)
        self._check_changes()
        self.plan = self._plan(limits.memory) if encoder is None and not keep_plan else None
        if self.plan is None:  # no other limit
            for size in self.levels[-1].styles:
                self._check_pixels("style_size, style_scale: a style", size, limits.max_pixels)
        else:
            self.recipe = self.plan.recipe
            self.notes += self.plan.notes
        self._courses: dict[str, Course] = {}
        self._kept = LRUCache(KEPT_BYTES)
        # What is resumed has its weights, and they may not change in the last bit.
        self._balanced = recipe.strength is None or keep_plan
        self.encoder: Encoder | None = None
        self.seconds = {"read": time.perf_counter() - self._started}

    def _check(self, recipe: Recipe, sources: Sources) -> None:
        """Refuse what can be refused before a picture is read."""
        if not sources.styles:
            raise ParameterError("style: expected at least one picture, got none")
        recipe.check_styles(len(sources.styles))
        if self._given is None and recipe.encoder == "custom":
            raise ParameterError(
                "encoder: the recipe was made with a network that is not in it; pass it as encoder="
            )
        check_layers(recipe, self._given.layers if self._given else ENCODERS[recipe.encoder].layers())

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
            self.recipe = self._balanced_recipe(self.recipe)
            self.objective = build_objective(self.recipe)
            self.notes += (f"strength {self.recipe.strength:g}: style weight {self.recipe.style_weight:g}",)
            self.seconds["strength"] = time.perf_counter() - started
        return self.encoder

    def _network(self) -> Encoder:
        if self._given is None and self._shared is not None:
            return self._shared.encoder(
                self.recipe, device=self.device, dtype=self.dtype, progress=self._progress
            )
        encoder = self._given or build_encoder(self.recipe, progress=self._progress)
        return encoder.to(device=self.device, dtype=self.dtype)

    def _balanced_recipe(self, recipe: Recipe) -> Recipe:
        """With the style weight that its strength comes to."""
        if self._given is not None:  # a digest cannot tell one network of the user's own from another
            recipe = recipe.model_copy(update={"measured_for": None})
        return balanced(
            recipe,
            content=self.content,
            styles=self.styles,
            size=self.size,
            least=1 if self._given else self._smallest_side(recipe),
            prepare=partial(self._prepared, recipe, white_level=255.0),
            kept=None if self._shared is None or self._given is not None else self._shared.targets,
        )

    @staticmethod
    def _check_pixels(what: str, size: Size, limit: int) -> None:
        height, width = size
        if height * width > limit:
            raise ParameterError(
                f"{what} of {width}x{height} has {height * width} pixels, the limit is {limit}"
            )

    def _plan(self, memory: int | None) -> Plan | None:
        cost = ENCODERS[self.recipe.encoder].cost
        if cost is None:
            return None
        plans: list[Plan] = []
        fits: dict[str, Any] = {}
        # What has no weight in the beginning may get one, and take memory from there on.
        for settings in (self.recipe, *(self.recipe.after(each.at) for each in self.recipe.changes)):
            plan = draw_up(
                settings.model_copy(update=fits),
                cost(self.recipe),
                content=size_of(self.content),
                styles=[size_of(style) for style in self.styles],
                levels=self.levels,
                device=self.device,
                dtype=self.dtype,
                memory=memory,
            )
            fits = {name: getattr(plan.recipe, name) for name in ("tile", "history_memory")}
            plans.append(plan)
        return replace(
            plans[0],
            recipe=self.recipe.model_copy(update=fits),
            memory=max(plan.memory for plan in plans),
            notes=tuple(note for plan in plans for note in plan.notes),
        )

    def _smallest_side(self, recipe: Recipe) -> int:
        return least_side(recipe, build_objective(recipe))

    def _levels(self, least: int) -> list[Level]:
        return build_levels(
            self.recipe,
            size_of(self.content),
            [size_of(style) for style in self.styles],
            # A picture to go on from is nearly done: shrunk to a coarse level it would lose what is fine in it.
            final_only=self._pictures.start is not None and not self.recipe.faithful,
            least=least,
        )

    @property
    def size(self) -> Size:
        """(height, width) of the result."""
        return self.levels[-1].size

    def __iter__(self) -> Painting:
        return self.steps()

    def steps(self, resume: State | None = None, *, undo_bytes: int = 0) -> Painting:
        """Paint, from the start or from what :meth:`Step.state` gave.

        Args:
            undo_bytes: memory for states that can be gone back to at once.
        """
        if self.plan is not None:
            undo_bytes = min(undo_bytes, self.plan.limit - self.plan.memory)
        first = self.course(-1)

        def begin(steering: Steering, resume: State | None) -> Iterator[Step]:
            return engine.iterate(
                content=self.content,
                styles=self.styles,
                prepare=first.prepare,
                levels=self.levels,
                start=build_start(
                    self.recipe, self.levels[0].size, self.content, self.styles, self._pictures.start
                ),
                solver=build_solver(self.recipe),
                white_level=float(self.recipe.white_level),
                detail=self.recipe.detail,
                min_relative_decrease=self.recipe.min_relative_decrease,
                resample_every=first.resample_every,
                resample=self.recipe.resample,
                resume=resume,
                finish=first.finish,
                seamless=self.recipe.seamless,
                margin=self.margin,
                steering=steering,
                start_at=self._start_at if self._starts_well else None,
            )

        return Painting(self, begin, resume=resume, undo_bytes=undo_bytes)

    @property
    def _starts_well(self) -> bool:
        """Whether it begins with a picture, which may be better than what is painted, and not with noise."""
        return not self.recipe.faithful and (self._pictures.start is not None or self.recipe.init != "noise")

    def _start_at(self, size: Size) -> Tensor:
        return build_start(self.recipe, size, self.content, self.styles, self._pictures.start)

    def evaluate(self, done: int = 0) -> Evaluate:
        """The objective at the final size, of pictures in [0, 1]: what the step after ``done`` iterations goes by.

        A margin does not count: it is not in the picture that is saved.
        """
        self.load()
        level, settings = self.levels[-1], self.recipe.after(done)
        return self._prepared(settings, build_objective(settings), white_level=1.0)(
            partial(resize, self.content, level.size, self.recipe.resample),
            [
                partial(resize, style, size, self.recipe.resample)
                for style, size in zip(self.styles, level.styles, strict=True)
            ],
        )

    # --- what the steps go by -------------------------------------------------------------------------------

    def course(self, done: int) -> Course:
        """What the step after ``done`` iterations goes by; the same objective is the same ``prepare``."""
        self.load()
        settings = self.recipe.after(done)
        key = settings.model_dump_json(include={*CHANGEABLE} - {"learning_rate"})
        rate = learning_rate(settings)
        if key not in self._courses:
            objective = build_objective(settings)
            put_back, colored = self._masks_of(settings).finish(self._pictures.photo), self._pictures.colored
            content, photo_finish = self.content, settings.photo_finish  # not self, which keeps the function
            self._courses[key] = Course(
                self._prepared(
                    settings, objective, white_level=float(settings.white_level), margin=self.margin
                ),
                rate,
                engine.RESAMPLE_EVERY if draws(objective) else 0,
                lambda painted: put_back(colored(recolored_photo(painted, content, photo_finish))),
            )
        return replace(self._courses[key], learning_rate=rate)

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
            given["style_weight"] = self._balanced_recipe(wanted).style_weight
        given = {name: value for name, value in given.items() if value is not None}
        settings = self.recipe.changed(done, given).after(done)
        given = {name: getattr(settings, name) for name in given}
        if "regions" in given:
            given["regions"] = self._take_masks(settings)
        given = {name: value for name, value in given.items() if value != getattr(before, name)}
        if given:
            recipe, self.recipe = self.recipe, self.recipe.changed(done, given)
            try:
                self._check_changes()
            except ParameterError:
                self.recipe = recipe
                raise
        return given

    def forget_changes(self, done: int) -> None:
        """Drop the changes after ``done`` iterations and later."""
        self.recipe = self.recipe.before(done)

    def _check_changes(self) -> None:
        """Refuse changes that the pictures at that time are too small for."""
        for each in self.recipe.changes:
            left, settings = each.at, self.recipe.after(each.at)
            least = 1 if self.recipe.encoder == "custom" else self._smallest_side(settings)
            for level in self.levels:
                if left < level.iterations:
                    break
                left -= level.iterations
            if min(level.size) < least:
                height, width = level.size
                raise ParameterError(
                    f"change after {each.at} iterations: the layers need at least {least} pixels on each side, "
                    f"the picture is {width}x{height} by then"
                )

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
        masks = self._read_masks(settings)
        self.notes += tuple(note for note in masks.notes if note not in self.notes)
        self._masks[masks.recipe.regions] = masks
        return masks.recipe.regions

    def _masks_of(self, settings: Recipe) -> Masks:
        return replace(self._masks[settings.regions], recipe=settings)

    def _prepared(
        self, settings: Recipe, objective: Objective, *, white_level: float, margin: int = 0
    ) -> EvaluatorFactory:
        assert self.encoder is not None
        kept = self._kept if self.recipe.changes else None
        return build_evaluation(
            self.encoder,
            objective,
            settings.style_shares,
            white_level=white_level,
            tile=self.recipe.tile and self.recipe.tile + 2 * margin,  # no sliver for the margin
            kept=kept if self._shared is None else self._shared.targets,  # which are new with a new network
            regions=partial(self._masks_of(settings).regions, margin=margin),
            seamless=self.recipe.seamless,
            tf32=self.precision == "tf32",
        )

    def _judge(self, last: Step) -> Callable[[Tensor], Evaluation]:
        """Finds the losses of a picture in [0, 1] as it will be saved, in 8 bits and without a margin."""
        if last.level == len(self.levels) - 1 and not self.margin:
            return lambda image: last.judge((image * 255.0).round_(), white=255.0)
        release_free_memory()
        evaluate = self.evaluate(last.done - 1)  # before there is another picture beside the content
        return lambda image: evaluate((image * 255.0).round_().div_(255.0), with_gradient=False)

    def result(self, last: Step, *, notes: Sequence[str] = ()) -> Result:
        """The result as it stands after ``last``: the picture at its final size, judged as it will be saved.

        Where that is judged worse than the start, the start is the result.
        """
        finished = last.done == last.planned
        image = resize(last.take() if finished else last.painted, self.size)
        judge = self._judge(last)
        judged = judge(image)
        if self._starts_well:
            start = self._start_at(self.size)
            before = judge(start)
            if before.loss < judged.loss:
                image, judged = start, before
                notes = (*notes, "nothing that was painted is judged better than the start, which is kept")
        total = time.perf_counter() - self._started
        paint = total - sum(self.seconds.values())
        return Result(
            image=self.course(last.done - 1).finish(image).cpu(),
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
