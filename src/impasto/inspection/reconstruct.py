"""Feature inversion: pictures optimised from noise to have a picture's features, or its Gram matrices, at a layer.

Content: the features at one layer are matched (Mahendran and Vedaldi 2014, arXiv:1412.0035; figure 1 of Gatys, Ecker,
Bethge 2015, arXiv:1508.06576). Information that the layer has lost is arbitrary in the reconstruction. Style: the
Gram matrices of the first layers are matched, one more layer for each picture. The reconstruction is a texture with
ever larger structures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import PIL.Image
import torch
from torch import Tensor

from impasto import images
from impasto.assembly.objective import build_evaluation
from impasto.engine import optimize as engine
from impasto.engine.pyramid import Level, Pyramid
from impasto.engine.solvers.lbfgs import LBFGS
from impasto.engine.start import noise
from impasto.engine.steering import Course
from impasto.engine.step import Step
from impasto.errors import ParameterError, unknown_name
from impasto.figures.contact_sheet import contact_sheet, labelled
from impasto.geometry import resize, size_of
from impasto.images import Source
from impasto.inspection.feature_extractor import FeatureExtractor
from impasto.losses import content, smoothness
from impasto.losses.gram import Gram
from impasto.losses.objective import ContentTerm, Objective, SmoothnessTerm, StyleTerm
from impasto.modes import each_in_own_modes, own_modes

What = Literal["content", "style"]

LAYERS: dict[What, tuple[str, ...]] = {
    "content": ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_2"),
    "style": ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
}
"""The layers of the paper's figure."""

STEPS = 200

_LOSS = 1000.0  # of features of zero: the solver's tolerances are for losses of about this size
# Weight of the total variation at stride 1. A layer with one value per 16 x 16 pixels leaves most of the picture
# undetermined, and undetermined parts would stay noise. The content weight therefore grows with the pixels per value,
# the squared stride. Style usually includes a layer of stride 1, but its part of the loss shrinks with each deeper
# layer; the style weight grows with the largest stride.
_TV_WEIGHT: dict[What, float] = {"content": 0.02, "style": 0.01}
# Standard deviation of the initial noise, in grey levels. A texture needs more variation to grow from.
_NOISE_STD: dict[What, float] = {"content": 10.0, "style": 20.0}
_CENTRE = (0.485, 0.456, 0.406)  # the mean colour of photographs
_TILE = 2048
_FONT_SIZE = 13


@dataclass(frozen=True)
class Reconstruction:
    """One reconstruction.

    Attributes:
        layers: the layers whose features, or Gram matrices, were matched.
        image: (1, 3, H, W), RGB in [0, 1].
        losses: layer -> relative loss of the picture as it is saved, in 8 bits; features, or Gram matrices, of zeros
            have loss 1.
        steps: iterations done.
        seconds: time of the optimisation.
    """

    layers: tuple[str, ...]
    image: Tensor
    losses: Mapping[str, float]
    steps: int
    seconds: float

    @property
    def loss(self) -> float:
        """The mean of the losses."""
        return sum(self.losses.values()) / len(self.losses)

    @property
    def name(self) -> str:
        """Such as relu4_2, or relu1_1 to relu3_1."""
        return self.layers[0] if len(self.layers) == 1 else f"{self.layers[0]} to {self.layers[-1]}"


@own_modes()
def reconstruct(
    what: What,
    image: Source,
    layers: Sequence[str] = (),
    *,
    size: int = 256,
    steps: int = STEPS,
    seed: int = 0,
    on_step: Callable[[int, Step], object] | None = None,
    **network: Any,
) -> Iterator[Reconstruction]:
    """Yield reconstructions: one per layer (content), or one per prefix of the layers (style).

    All arguments are checked, and the network is loaded, when this function is called.

    Args:
        what: "content" or "style".
        image: the original.
        layers: names; the layers of the paper's figure by default.
        size: long side of the pictures in pixels; 0 keeps the original's size.
        steps: iterations per picture.
        seed: of the initial noise.
        on_step: called with the index of the picture, from 0, and each :class:`impasto.Step`.
        network: ``encoder``, ``weights``, ``pooling``, ``padding``, ``device``, ``precision``, ``max_pixels``,
            ``progress``: see :class:`impasto.inspection.feature_extractor.FeatureExtractor`.

    Raises:
        InputError: the picture or an option cannot be used.
        DivergedError: the optimisation diverged.
    """
    if what not in LAYERS:
        raise unknown_name("what", str(what), LAYERS)
    if steps < 1:
        raise ParameterError(f"steps: expected 1 or more, got {steps}")
    if not 0 <= seed < 2**63:
        raise ParameterError(f"seed: expected 0 or more, below 2^63, got {seed}")
    extractor = FeatureExtractor(layers or LAYERS[what], exact=False, **network)
    original = extractor.read(image, size)
    strides = {
        name: original.shape[-1] / found.shape[-1] for name, found in extractor.features(original).items()
    }
    start = _start(what, size_of(original), seed).to(extractor.device)

    def generate() -> Iterator[Reconstruction]:
        for number, layers_matched in enumerate(_layer_groups(what, extractor.layers)):
            started = time.perf_counter()
            tv_weight = _tv_weight(what, max(strides[layer] for layer in layers_matched))
            for step in _steps(
                extractor, original, start, _objective(what, layers_matched, tv_weight), steps
            ):
                if on_step is not None:
                    on_step(number, step)
            yield _finished(layers_matched, step, time.perf_counter() - started)

    return each_in_own_modes(generate())


def sheet(
    original: Source,
    made: Sequence[Reconstruction],
    *,
    title: str = "",
    across: int = 3,
    max_pixels: int = images.MAX_PIXELS,
) -> PIL.Image.Image:
    """A contact sheet of the original and its reconstructions, with labels.

    Args:
        original: resized to the reconstructions' size.
        made: one or more reconstructions.
        title: of the sheet.
        across: pictures per row.
        max_pixels: a larger original is refused.
    """
    size = size_of(made[0].image)
    shown = resize(images.read(original, max_pixels=max_pixels).pixels, size)
    labels = [f"{each.name} ({100 * each.loss:.2g} % off)" for each in made]
    cells = [
        labelled(_pil(picture), label, text=_FONT_SIZE)
        for picture, label in zip((shown, *(each.image for each in made)), ("original", *labels), strict=True)
    ]
    rows = [cells[at : at + across] for at in range(0, len(cells), across)]
    note = "% off: squared difference of the matched values; 100 % is as far as zeros are."
    return contact_sheet(rows, title=title, note=note, cell=max(max(cell.size) for cell in cells))


def _layer_groups(what: What, layers: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The layers matched by each picture: one each for content, the first 1, 2, 3, … for style."""
    if what == "content":
        return [(layer,) for layer in layers]
    return [layers[:count] for count in range(1, len(layers) + 1)]


def _start(what: What, size: tuple[int, int], seed: int) -> Tensor:
    """The initial noise of every picture: (1, 3, H, W) in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    start = noise(size, centre=_CENTRE, deviation=_NOISE_STD[what] / 255.0, generator=generator)
    return start.clamp_(0.0, 1.0)


def _tv_weight(what: What, stride: float) -> float:
    """The weight of the total variation; ``stride`` is the largest of the layers', in pixels."""
    return _TV_WEIGHT[what] * (stride**2 if what == "content" else stride)


def _steps(
    extractor: FeatureExtractor, original: Tensor, start: Tensor, objective: Objective, steps: int
) -> Iterator[Step]:
    size = size_of(original)
    prepare = build_evaluation(
        extractor.load(),
        objective,
        (1.0,),
        white_level=255.0,
        tile=_TILE,
        tf32=extractor.precision == "tf32",
    )
    return engine.iterate(
        content=original,
        styles=[original],
        # One level only: a coarser level would add information that these layers do not contain.
        pyramid=Pyramid([Level(size, (size,), steps)]),
        course=Course(prepare, learning_rate=1.0),
        start=start,
        solver=LBFGS(history=20, initial_step_rms=4.0, bounds=(0.0, 255.0), spectral_exponent=0.25),
        white_level=255.0,
    )


def _finished(layers: tuple[str, ...], last: Step, seconds: float) -> Reconstruction:
    picture = last.take()
    rounded = (picture * 255.0).round_()
    weight = _LOSS / len(layers)
    losses = last.judge(rounded, white=255.0).terms
    by_layer = {name.partition(" ")[2]: value / weight for name, value in losses.items() if name != "tv"}
    return Reconstruction(layers, (rounded / 255.0).cpu(), by_layer, last.done, seconds)


def _objective(what: What, layers: tuple[str, ...], tv_weight: float) -> Objective:
    weight = _LOSS / len(layers)
    smooth = SmoothnessTerm(smoothness.absolute_mean, tv_weight)
    if what == "content":
        return (*(ContentTerm(layer, content.share, weight) for layer in layers), smooth)
    gram = Gram(divide="pixels", reduce="share")
    return (*(StyleTerm(layer, gram, weight, layer) for layer in layers), smooth)


def _pil(picture: Tensor) -> PIL.Image.Image:
    bytes_ = (picture[0] * 255.0).round().clamp(0.0, 255.0).to(torch.uint8)
    return PIL.Image.fromarray(bytes_.permute(1, 2, 0).cpu().numpy())
