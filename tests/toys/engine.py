"""An engine of one step: the content in the mean colour of the style."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from impasto.engine.evaluation import Evaluation
from impasto.engine.pyramid import Level
from impasto.engine.solvers.state import State
from impasto.engine.steering import Course, Steering
from impasto.engine.step import Step
from impasto.geometry import fit, resize, size_of
from impasto.recipes.recipe import Recipe
from impasto.transfer.engine import FinalPicture, Materials
from impasto.transfer.forecast import Forecast
from impasto.transfer.planner import Plan


class _Canvas:
    level, version = 0, (1,)

    def __init__(self, image: Tensor, course: Course) -> None:
        self._image, self._course = image, course

    def painted(self) -> Tensor:
        return self._image

    def finish(self, picture: Tensor) -> Tensor:
        return self._course.finish(picture)

    def take(self) -> Tensor:
        return self._image

    def judge(self, picture: Tensor, *, white: float) -> Evaluation:
        return Evaluation(0.0, picture.new_empty(0), {})

    def release(self) -> None: ...

    def state(self) -> State:
        return {"position": torch.tensor((0, 1, 1)), "x": self._image}


class Toning:
    def __init__(self, recipe: Recipe, materials: Materials) -> None:
        self._materials = materials
        size = fit(size_of(materials.pictures.content), recipe.size, recipe.fit)
        self.levels = [Level(size, tuple(map(size_of, materials.pictures.styles)), 1)]

    def plan(self, recipe: Recipe, memory: int | None) -> Plan | None:
        expected = Forecast(0.0, (0.0,), (0.1,), (0.1,), 0.0)
        return Plan(recipe, tuple(self.levels), 1_000_000, expected, memory or 10**9, ())

    def check_changes(self, recipe: Recipe) -> None: ...

    def load(self, recipe: Recipe) -> None: ...

    def balance(self, recipe: Recipe) -> Recipe:
        return recipe

    def course(self, recipe: Recipe, done: int) -> Course:
        return Course(lambda content, styles: None, 1.0, finish=self._materials.finish(recipe))  # type: ignore[arg-type,return-value]

    def steps(self, recipe: Recipe, steering: Steering, resume: State | None) -> Iterator[Step]:
        if resume is not None:
            return
        pictures = self._materials.pictures
        mean = resize(pictures.styles[0], (1, 1))
        image = resize(pictures.content, self.levels[0].size).lerp(mean, 0.5)
        yield Step(
            0, 1, 1, 1, 1, 1, 0.0, {}, (), _canvas=_Canvas(image, self.course(recipe, 0)), _version=(1,)
        )

    def final_picture(self, recipe: Recipe, last: Step) -> FinalPicture:
        image = last.take()
        return FinalPicture(image, last.judge(image, white=1.0), ())
