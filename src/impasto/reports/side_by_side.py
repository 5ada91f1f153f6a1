"""Two runs on one page: one wide slider between the results, what differs, both curves."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from impasto.reports import document
from impasto.reports.album import Album
from impasto.reports.gallery import details
from impasto.reports.losses import losses
from impasto.reports.markup import element
from impasto.reports.run_view import RunView, differing_settings, read_all
from impasto.reports.tables import differences


def write(path: Path, first: Path, second: Path) -> None:
    """Write the comparison of two runs as one HTML file.

    Raises:
        OutputError: the page cannot be written.
    """
    both = read_all([first, second])
    title = " and ".join(each.title.whole for each in both)
    document.write(path, title, _body(*both, title=title))


def _body(first: RunView, second: RunView, *, title: str) -> list[ET.Element]:
    both = first, second
    names = differing_settings(both)
    album = Album.of(both)
    about = first.pictures if first.pictures == second.pictures else ""
    main = element(
        "main",
        element(
            "section",
            element("div", *album.inputs_of(both), class_="inputs"),
            element(
                "div", *(_result(at, each, album) for at, each in enumerate(both, start=1)), class_="duel"
            ),
            class_="pairing wide",
        ),
        element("h2", "What differs"),
        differences(first, second, names),
        losses(both),
        element("h2", "Each run"),
        element("div", *(_rest(each, names, album) for each in both), class_="charts"),
    )
    return [
        element("header", element("h1", title), element("p", about, class_="faint") if about else None),
        main,
    ]


def _result(number: int, run_view: RunView, album: Album) -> ET.Element:
    title = run_view.title.whole
    return element(
        "figure",
        album.embed(run_view.result, "result", alt=title, data_title=title),
        element("figcaption", title),
        id=f"run-{number}",
    )


def _rest(run_view: RunView, names: list[str], album: Album) -> ET.Element:
    return element(
        "article",
        element("header", element("h3", run_view.title.whole)),
        *(element("p", note, class_="note") for note in run_view.notes),
        details(run_view, names, album, 2),
    )
