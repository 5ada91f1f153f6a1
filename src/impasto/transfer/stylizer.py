"""One style for many contents: the network is loaded once, and the style is read once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Unpack

from impasto.engine.step import Step
from impasto.images import Source, as_list
from impasto.transfer.api import make_session, paint
from impasto.transfer.keywords import Keywords
from impasto.transfer.painting import UNDO_BYTES, Painting
from impasto.transfer.resources import SessionCache
from impasto.transfer.result import Result
from impasto.transfer.session import Session


class Stylizer:
    """Paints any number of pictures in one style. Results are bit-identical to :func:`impasto.stylize`.

    The network, the style pictures and, at equal sizes, the style's targets are kept from one picture to the next.
    Memory for them is freed with the stylizer.

    Args:
        style: the picture whose style is taken, or several, in any iterable.
        options: as for :func:`impasto.stylize`.

    Example:
        >>> paint = impasto.Stylizer("painting.jpg", size=512)  # doctest: +SKIP
        >>> for photo in Path("photos").glob("*.jpg"):  # doctest: +SKIP
        ...     paint(photo).save(f"painted/{photo.stem}.png")
    """

    def __init__(self, style: Source | Iterable[Source], **options: Unpack[Keywords]) -> None:
        self._styles, self._options = as_list(style), dict(options)
        self._resources = SessionCache()

    def __call__(
        self,
        content: Source,
        *,
        on_step: Callable[[Step], object] | None = None,
        **options: Unpack[Keywords],
    ) -> Result:
        """Paint a content.

        Args:
            content: the picture.
            on_step: called with each :class:`impasto.Step`.
            options: in place of the stylizer's own, for this picture.

        Raises:
            InputError: anything given cannot be used.
            DivergedError: the optimisation cannot go on.
        """
        return paint(lambda given: self._session(content, given), {**self._options, **options}, on_step)

    def iterate(self, content: Source, **options: Unpack[Keywords]) -> Painting:
        """Like :func:`impasto.iterate`, for a content."""
        return self._session(content, {**self._options, **options}).steps(undo_bytes=UNDO_BYTES)

    def _session(self, content: Source, options: Mapping[str, Any]) -> Session:
        return make_session(content, self._styles, options, self._resources)
