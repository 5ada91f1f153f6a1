"""From pictures and options to steps and a result: what `import impasto` offers and every app builds on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Unpack

from impasto.assembly.networks import own_encoder
from impasto.engine.step import Step
from impasto.errors import ParameterError
from impasto.images import Source, as_list
from impasto.recipes.fields import Input
from impasto.recipes.parsing import parse_memory
from impasto.recipes.presets import change, resolve
from impasto.recipes.recipe import Recipe
from impasto.transfer.driver import Driver
from impasto.transfer.keywords import Keywords
from impasto.transfer.painting import UNDO_BYTES, Painting
from impasto.transfer.pictures import Sources, name_masks
from impasto.transfer.planner import Plan
from impasto.transfer.resources import Resources
from impasto.transfer.result import Result
from impasto.transfer.session import Limits, Session


def iterate(content: Source, style: Source | Iterable[Source], **options: Unpack[Keywords]) -> Painting:
    """Paint ``content`` in the style of ``style``, one :class:`Step` at a time.

    Takes the arguments of :func:`stylize`. Stop iterating, or close the iterator, to end early. ``step.image`` is the
    picture so far. Settings can be changed between two steps, and changes undone
    (:class:`impasto.transfer.painting.Painting`).
    """
    return make_session(content, style, options).steps(undo_bytes=UNDO_BYTES)


def stylize(
    content: Source,
    style: Source | Iterable[Source],
    *,
    on_step: Callable[[Step], object] | None = None,
    **options: Unpack[Keywords],
) -> Result:
    """Paint ``content`` in the style of ``style``.

    Args:
        content: the picture whose content is kept: a path, PIL image, array or tensor, the bytes of a file, or an
            open file (:func:`impasto.images.read`). Arrays and tensors have their channels in the order RGB.
        style: the picture whose style is taken, or several, in any iterable.
        on_step: called with each :class:`Step`.
        options: the settings (docs/settings.md), such as ``preset`` ("impasto"), ``size`` (512, the long side in
            pixels; 0 keeps the content's), ``style_weight`` or ``strength``, ``steps`` and ``seed``.
            ``init`` and ``palette`` may also be pictures. ``encoder`` may be a network of your own
            (:func:`impasto.from_module`). Four options are no settings. ``recipe`` repeats a recipe. Pictures of more
            than ``max_pixels`` are refused. ``memory`` ("4GB") limits the memory. ``progress=True`` shows a progress
            bar, also in a notebook; a function is called with (bytes done, total bytes) of a download of weights.

    Returns:
        the picture, with the recipe that paints it again.

    Raises:
        InputError: anything given cannot be used.
        DivergedError: the optimisation cannot go on.

    Example:
        >>> impasto.stylize("photo.jpg", "painting.jpg", size=512).save("out.png")  # doctest: +SKIP
    """
    return paint(lambda given: make_session(content, style, given), options, on_step)


def paint(
    make: Callable[[Mapping[str, Any]], Session],
    options: Mapping[str, Any],
    on_step: Callable[[Step], object] | None,
) -> Result:
    """Paint the session that ``make`` makes of the options, with a progress bar where ``progress`` is True.

    Raises:
        InputError: anything given cannot be used.
        DivergedError: the optimisation cannot go on.
    """
    if options.get("progress") is not True:
        return run(make(options), on_step)
    from impasto.transfer.progress_bar import ProgressBar

    with ProgressBar() as bar:
        session = make({**options, "progress": bar.download})
        session.load(measuring=bar.measuring)
        bar.start(session)

        def both(step: Step) -> None:
            bar.step(step)
            if on_step is not None:
                on_step(step)

        return run(session, both)


def run(session: Session, on_step: Callable[[Step], object] | None = None) -> Result:
    """Paint a session to its end.

    Raises:
        DivergedError: the optimisation cannot go on.
    """
    driver = Driver(session.steps())
    for step in driver:
        if on_step is not None:
            on_step(step)
    return session.result(driver.newest, notes=driver.notes)


def plan(content: Source, style: Source | Iterable[Source], **options: Unpack[Keywords]) -> Plan | None:
    """The memory and time that :func:`stylize` takes with the same arguments. No step is computed.

    Returns:
        the plan, or None for a network whose memory is not known.

    Raises:
        InputError: anything given cannot be used, or does not fit the memory.
    """
    return make_session(content, style, options).plan


def make_session(
    content: Source,
    style: Source | Iterable[Source],
    options: Mapping[str, Any],
    resources: Resources | None = None,
) -> Session:
    """The session for the arguments of :func:`stylize`.

    Args:
        resources: reads the pictures and loads the network.

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
    encoder = own_encoder(settings.get("encoder"))
    if encoder is not None:
        settings["encoder"] = "custom"
    masks: dict[str, Source] = {}
    if settings.get("regions") is not None:
        settings["regions"], masks = name_masks(settings["regions"])
    if init is not None and isinstance(init, str | os.PathLike):
        settings["init"], init = os.fspath(init), None
    asked = None if recipe is None else {name for name, value in settings.items() if value is not None}
    if recipe is not None and settings:
        recipe = change(recipe, settings)
    elif recipe is None:
        recipe = resolve(**settings)
    return Session(
        recipe,
        Sources(content, as_list(style), init, palette, masks),
        limits=Limits(max_pixels, None if memory is None else parse_memory(memory)),
        encoder=encoder,
        asked=asked,
        progress=progress if callable(progress) else None,
        resources=resources,
    )
