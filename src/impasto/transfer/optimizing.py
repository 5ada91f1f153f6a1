"""The optimising engine: minimises a recipe's objective, coarse to fine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor

from impasto.assembly.networks import ENCODERS, Encoder, Network, check_layers, custom_network
from impasto.assembly.objective import build_evaluation, build_objective, min_side
from impasto.assembly.schedule import build_levels, build_solver, build_start, learning_rate, margin
from impasto.engine import optimize
from impasto.engine.cache import LRUCache
from impasto.engine.evaluation import Evaluate, Evaluation, EvaluatorFactory
from impasto.engine.memory import release_free_memory
from impasto.engine.pyramid import Level, Pyramid
from impasto.engine.solvers.state import State
from impasto.engine.steering import Course, Steering
from impasto.engine.step import Step
from impasto.errors import DivergedError, ParameterError
from impasto.geometry import Size, resize, size_of
from impasto.losses.objective import Objective, draws
from impasto.recipes.fields import CHANGEABLE
from impasto.recipes.recipe import Recipe
from impasto.text import display_name
from impasto.transfer.engine import FinalPicture, Materials
from impasto.transfer.planner import Plan, make_plan
from impasto.transfer.strength import balance

_FLAT = 2.0 / 255.0  # standard deviation of each colour
TARGET_CACHE_BYTES = 60_000_000
"""Size of the cache of targets, which are not computed again when only a weight changes."""


class Optimizing:
    """Paints by minimising the objective: an :class:`impasto.transfer.engine.Engine`.

    Args:
        recipe: the settings.
        materials: pictures, masks, device, network.

    Attributes:
        encoder: the network; None before :meth:`load`.

    Raises:
        ParameterError: the result would be too small for the layers.
    """

    def __init__(self, recipe: Recipe, materials: Materials) -> None:
        self._materials, self._pictures = materials, materials.pictures
        self._network = _network(recipe, materials.encoder)
        self.encoder: Encoder | None = None
        self._courses: dict[str, Course] = {}
        self._targets = LRUCache(TARGET_CACHE_BYTES)
        # Sizes are checked before the network is loaded, which may be a download.
        self.levels: Sequence[Level] = build_levels(
            recipe,
            self._pictures.content_size,
            self._style_sizes,
            # The user's initial image has fine detail, which a coarse level would lose.
            final_only=self._pictures.start is not None and not recipe.faithful,
            min_side=self._min_side(recipe),
        )
        self.margin = margin(recipe, self.levels)

    @staticmethod
    def check(recipe: Recipe, encoder: Encoder | None) -> None:
        """Check the network and the layers, before a picture is read.

        Raises:
            ParameterError: the network does not have the recipe's layers, or a custom network is missing.
        """
        if encoder is None and recipe.encoder == "custom":
            raise ParameterError(
                "encoder: the recipe was made with a custom network, which is not stored in it; pass it as encoder="
            )
        check_layers(recipe, _network(recipe, encoder).layers())

    def plan(self, recipe: Recipe, memory: int | None) -> Plan | None:
        if self._network.cost is None:
            return None
        plans: list[Plan] = []
        fits: dict[str, Any] = {}
        # A later change may give weight to a term that has none at the start, and then needs memory.
        for settings in (recipe, *(recipe.after(each.at) for each in recipe.changes)):
            plan = make_plan(
                settings.model_copy(update=fits),
                self._network.cost(recipe),
                content=size_of(self._pictures.content),
                styles=self._style_sizes,
                levels=self.levels,
                device=self._materials.device,
                dtype=self._materials.dtype,
                memory=memory,
            )
            fits = {name: getattr(plan.recipe, name) for name in ("tile", "history_memory")}
            plans.append(plan)
        return replace(
            plans[0],
            recipe=recipe.model_copy(update=fits),
            memory=max(plan.memory for plan in plans),
            notes=tuple(note for plan in plans for note in plan.notes),
        )

    def check_changes(self, recipe: Recipe) -> None:
        for each in recipe.changes:
            left, least = each.at, self._min_side(recipe.after(each.at))
            for level in self.levels:
                if left < level.iterations:
                    break
                left -= level.iterations
            if min(level.size) < least:
                height, width = level.size
                raise ParameterError(
                    f"change after {each.at} iterations: the layers need at least {least} pixels on each side, "
                    f"the picture is {width}x{height} at that iteration"
                )

    def load(self, recipe: Recipe) -> None:
        if self.encoder is not None:
            return
        given = self._materials
        if given.encoder is not None:
            self.encoder = given.encoder.to(device=given.device, dtype=given.dtype)
        else:
            self.encoder = given.resources.encoder(
                recipe, device=given.device, dtype=given.dtype, progress=given.progress
            )

    def balance(self, recipe: Recipe) -> Recipe:
        if recipe.strength is None:
            return recipe
        own = self._materials.encoder is not None
        if own:  # a digest does not identify a custom network
            recipe = recipe.model_copy(update={"measured_for": None})
        return balance(
            recipe,
            content=self._pictures.content,
            styles=self._pictures.styles,
            size=self.levels[-1].size,
            min_side=self._min_side(recipe),
            prepare=partial(self._evaluator_factory, recipe, white_level=255.0, keep=bool(recipe.changes)),
            cache=None if own else self._materials.resources.targets,
        )

    def course(self, recipe: Recipe, done: int) -> Course:
        settings = recipe.after(done)
        key = settings.model_dump_json(include={*CHANGEABLE} - {"learning_rate"})
        rate = learning_rate(settings)
        if key not in self._courses:
            objective = build_objective(settings)
            self._courses[key] = Course(
                self._evaluator_factory(
                    settings,
                    objective,
                    white_level=float(settings.white_level),
                    keep=bool(recipe.changes),
                    margin=self.margin,
                ),
                rate,
                optimize.RESAMPLE_EVERY if draws(objective) else 0,
                self._materials.finish(settings),
            )
        return replace(self._courses[key], learning_rate=rate)

    def steps(self, recipe: Recipe, steering: Steering, resume: State | None) -> Iterator[Step]:
        steps = optimize.iterate(
            content=self._pictures.content,
            styles=self._pictures.styles,
            pyramid=Pyramid(
                self.levels,
                resample=recipe.resample,
                detail=recipe.detail,
                seamless=recipe.seamless,
                margin=self.margin,
            ),
            course=self.course(recipe, -1),
            start=self._start_at(recipe, self.levels[0].size),
            solver=build_solver(recipe),
            white_level=float(recipe.white_level),
            min_relative_decrease=recipe.min_relative_decrease,
            resume=resume,
            steering=steering,
            start_at=partial(self._start_at, recipe) if self._starts_from_picture(recipe) else None,
        )
        try:
            yield from steps
        except DivergedError as error:
            raise DivergedError(f"{error}{self._flat_styles()}") from None

    def final_picture(self, recipe: Recipe, last: Step) -> FinalPicture:
        """The picture after ``last``, or the initial image if its loss is lower."""
        image = resize(last.take() if last.done == last.planned else last.painted, self.levels[-1].size)
        judge = self._judge(recipe, last)
        judged = judge(image)
        if self._starts_from_picture(recipe):
            start = self._start_at(recipe, self.levels[-1].size)
            before = judge(start)
            if before.loss < judged.loss:
                note = (
                    "the final picture has a higher loss than the initial image, which is returned unchanged"
                )
                return FinalPicture(start, before, (note,))
        return FinalPicture(image, judged, ())

    def evaluate(self, recipe: Recipe, done: int = 0) -> Evaluate:
        """The objective of the step after ``done`` iterations, at the final size, for pictures in [0, 1].

        The margin is excluded, because the saved picture does not contain it.
        """
        settings, level = recipe.after(done), len(self.levels) - 1
        plain = Pyramid(self.levels, resample=recipe.resample)
        prepare = self._evaluator_factory(
            settings, build_objective(settings), white_level=1.0, keep=bool(recipe.changes)
        )
        return prepare(
            plain.content(self._pictures.content, level), plain.styles(self._pictures.styles, level)
        )

    def _flat_styles(self) -> str:
        """A likely cause of divergence: style pictures of nearly one colour, with nearly singular statistics."""
        pictures = zip(self._pictures.recipe.styles, self._pictures.styles, strict=True)
        flat = [
            display_name(given.path)
            for given, style in pictures
            if float(resize(style, size_of(style)).std(dim=(2, 3)).amax()) < _FLAT
        ]
        if not flat:
            return ""
        return f"; of nearly one colour: {', '.join(flat)}; use another style picture, or another style loss"

    def _judge(self, recipe: Recipe, last: Step) -> Callable[[Tensor], Evaluation]:
        """A function that returns the losses of a picture in [0, 1], rounded to 8 bits and without the margin."""
        if last.level == len(self.levels) - 1 and not self.margin:
            return lambda image: last.judge((image * 255.0).round_(), white=255.0)
        release_free_memory()
        evaluate = self.evaluate(recipe, last.done - 1)  # now, while only the content is in memory
        return lambda image: evaluate((image * 255.0).round_().div_(255.0), with_gradient=False)

    @property
    def _style_sizes(self) -> list[Size]:
        return [size_of(style) for style in self._pictures.styles]

    def _min_side(self, recipe: Recipe) -> int:
        return min_side(self._network, build_objective(recipe))

    def _starts_from_picture(self, recipe: Recipe) -> bool:
        """Whether the initial image is a picture, whose loss may be lower than the result's, and not noise."""
        return not recipe.faithful and (self._pictures.start is not None or recipe.init != "noise")

    def _start_at(self, recipe: Recipe, size: Size) -> Tensor:
        pictures = self._pictures
        return build_start(recipe, size, pictures.content, pictures.styles, pictures.start)

    def _evaluator_factory(
        self, recipe: Recipe, objective: Objective, *, white_level: float, keep: bool, margin: int = 0
    ) -> EvaluatorFactory:
        """The factory of an objective's evaluation; ``keep`` caches targets for the next objective."""
        assert self.encoder is not None
        given = self._materials
        shared = given.resources.targets  # emptied when the network changes
        return build_evaluation(
            self.encoder,
            objective,
            recipe.style_shares,
            white_level=white_level,
            tile=recipe.tile and recipe.tile + 2 * margin,  # no narrow extra tile for the margin
            cache=shared if shared is not None else self._targets if keep else None,
            regions=partial(given.masks(recipe).regions, margin=margin),
            seamless=recipe.seamless,
            tf32=given.tf32,
        )


def _network(recipe: Recipe, encoder: Encoder | None) -> Network:
    return ENCODERS[recipe.encoder] if encoder is None else custom_network(encoder)
