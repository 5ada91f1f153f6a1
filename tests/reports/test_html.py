"""A report is one page that needs nothing else, holds every run in whatever state, and lets nobody else's text in."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from impasto.errors import OutputError, ParameterError
from impasto.recipes.fields import Input, RegionOf
from impasto.recipes.recipe import Recipe
from impasto.reports import album
from impasto.reports import html as report
from impasto.reports.run_view import differing_settings, expand, read_all
from impasto.runs.folder import RunFolder
from tests.conftest import Make, pattern

VOID = {"meta", "link", "img", "input", "br", "hr"}


class Node:
    """An element, as a browser's parser sees it."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag, self.attributes = tag, attributes
        self.children: list[Node | str] = []

    def all(self, tag: str, **wanted: str) -> list[Node]:
        """Those below with that tag and those attributes; ``class_`` is one of the classes."""
        return [each for each in self._below() if each.tag == tag and each.fits(wanted)]

    def one(self, tag: str, **wanted: str) -> Node:
        found = self.all(tag, **wanted)
        assert len(found) == 1, f"{len(found)} of {tag} {wanted}"
        return found[0]

    def fits(self, wanted: dict[str, str]) -> bool:
        classes = self.attributes.get("class", "").split()
        return all(
            value in classes if name == "class_" else self.attributes.get(name.replace("_", "-")) == value
            for name, value in wanted.items()
        )

    def _below(self) -> Iterator[Node]:
        for child in self.children:
            if isinstance(child, Node):
                yield child
                yield from child._below()

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)


class Parser(html.parser.HTMLParser):
    """Builds the tree, and refuses what is not well nested."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Node("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), (tag, names)
        node = Node(tag, {name: value or "" for name, value in attributes})
        self._open[-1].children.append(node)
        if tag not in VOID:
            self._open.append(node)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def parsed(path: Path) -> Node:
    parser = Parser()
    parser.feed(path.read_text(encoding="utf-8"))
    parser.close()
    assert parser._open == [parser.root]
    return parser.root


def embedded(node: Node) -> PIL.Image.Image:
    head, data = node.attributes["src"].split(",", 1)
    assert head == "data:image/webp;base64"
    return PIL.Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


@pytest.fixture
def written(make: Make, tmp_path: Path) -> Node:
    """Two runs that differ in a weight and a start, one with steps."""
    runs = [
        make("runs/a", steps=(1, 2, 4, 8, 16, 32)),
        make("runs/b", style_weight=60.0, init="noise", result=200),
    ]
    report.write(tmp_path / "report.html", runs, title="Weights")
    return parsed(tmp_path / "report.html")


def test_the_table_has_what_differs(written: Node) -> None:
    table = written.one("table")
    head = [each.text for each in table.one("thead").all("th")]
    assert head == ["run", "status", "style weight", "start", "iterations", "final loss", "seconds"]
    rows = [
        [cell.text for cell in row.children if isinstance(cell, Node)] for row in table.one("tbody").all("tr")
    ]
    assert rows == [
        ["style weight 20, start content", "done", "20", "content", "40/40", "1.75", "4"],
        ["style weight 60, start noise", "done", "60", "noise", "40/40", "1.75", "4"],
    ]
    assert [each.attributes["href"] for each in table.all("a")] == ["#run-1", "#run-2"]
    assert written.one("h1").text == written.one("head").one("title").text == "Weights"


def test_every_picture_is_in_the_page_once(written: Node) -> None:
    cards = written.all("article")
    assert [card.attributes["id"] for card in cards] == ["run-1", "run-2"]
    for card, number in zip(cards, (100, 200), strict=True):
        shown = np.asarray(embedded(card.all("img")[0]).convert("RGB")).astype(float)
        assert np.abs(shown - np.asarray(pattern(number))).mean() < 6
        before = card.one("figure", data_name=card.one("h3").text).attributes["data-before"]
        assert written.one("img", id=before).attributes["alt"] == "content: photo.png"
    assert len(written.one("div", class_="inputs").all("img")) == 2  # shared by both runs
    captions = [each.text for each in cards[0].one("div", class_="steps").all("figcaption")]
    assert captions == ["1", "2", "4", "8", "16", "32"]
    assert not cards[1].all("div", class_="steps")


def test_curves_of_the_runs_and_of_their_terms(written: Node) -> None:
    for chart in written.one("main").all("div", class_="charts")[-1].all("svg"):
        assert [
            line.attributes["data-run"] for line in chart.all("path") if "data-run" in line.attributes
        ] == ["run-1", "run-2"]
    card = written.all("article")[0]
    names = [each.text.split(": ")[0] for each in card.one("svg").all("title")[1:]]
    assert names == ["total", "content relu4_2", "style relu1_1"]
    assert [each.text for each in card.one("ul", class_="legend").all("li")] == names
    assert {"32x24", "64x48"} <= {each.text for each in card.one("svg").all("text")}


def test_the_recipe_can_be_copied(written: Node, make: Make, tmp_path: Path) -> None:
    text = written.all("article")[1].one("pre").text
    assert Recipe.from_toml(text) == Recipe.from_toml((tmp_path / "runs/b/recipe.toml").read_text())


def test_it_needs_nothing_and_allows_nothing_else(written: Node) -> None:
    policy = written.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert (rules.pop("default-src"), rules.pop("img-src")) == ("'none'", "data:")
    for tag in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(written.one(tag).text.encode()).digest()).decode()
        assert rules.pop(f"{tag}-src") == f"'sha256-{digest}'"
    assert rules == {"base-uri": "'none'", "form-action": "'none'"}
    for each in written._below():
        assert "style" not in each.attributes
        assert not [name for name in each.attributes if name.startswith("on")]
        assert each.attributes.get("src", "data:").startswith("data:")
        assert each.attributes.get("href", "#").startswith(("#", "data:,"))
    assert not re.search(r"https?://|@import|url\(", written.one("script").text + written.one("style").text)


def test_who_cannot_see_it_or_runs_no_script(written: Node) -> None:
    assert written.one("html").attributes["lang"] == "en"
    assert all(image.attributes["alt"] for image in written.all("img"))
    assert all(
        chart.all("title")[0].text and chart.attributes["role"] == "img" for chart in written.all("svg")
    )
    identities = [each.attributes["id"] for each in written._below() if "id" in each.attributes]
    assert len(identities) == len(set(identities))
    for link in written.all("a"):
        assert link.attributes["href"].removeprefix("#") in identities
    assert [each.attributes.get("id") for each in written._below() if "hidden" in each.attributes] == ["two"]


def test_tools_are_for_many_runs_and_hidden_until_the_script_runs(make: Make, tmp_path: Path) -> None:
    report.write(tmp_path / "report.html", [make(f"runs/{at}", seed=at) for at in range(4)], title="Many")
    page = parsed(tmp_path / "report.html")
    for field in [*page.all("input"), *page.all("select")]:
        assert any(field in label.all(field.tag) for label in page.all("label"))
    hidden = [each.attributes.get("id") for each in page._below() if "hidden" in each.attributes]
    assert hidden == ["tools", "two"]


def test_pictures_come_first_then_curves_then_the_table(written: Node) -> None:
    order = [each.tag for each in written.one("main")._below() if each.tag in ("article", "svg", "table")]
    assert order == ["article", "svg", "article", "svg", "svg", "svg", "table"]  # each run has its own curves
    pairing = written.one("section", class_="pairing")
    assert pairing.one("h2").text == "photo in the style of painting"
    assert [each.tag for each in pairing.children if isinstance(each, Node)] == ["h2", "div", "div"]
    assert len(pairing.one("div", class_="inputs").all("img")) == 2


def test_each_pair_of_pictures_has_its_own_section(make: Make, tmp_path: Path) -> None:
    pattern(5).save(tmp_path / "wave.png")
    wave = (Input(path=str(tmp_path / "wave.png"), sha256="e" * 64),)
    runs = [make("a"), make("b", styles=wave), make("c", style_weight=60.0)]
    report.write(tmp_path / "report.html", runs, title="Pairs")
    page = parsed(tmp_path / "report.html")
    sections = page.all("section", class_="pairing")
    assert [each.one("h2").text for each in sections] == [
        "photo in the style of painting",
        "photo in the style of wave",
    ]
    assert [len(each.all("article")) for each in sections] == [2, 1]
    first, again = (each.one("div", class_="inputs").all("img")[0] for each in sections)
    assert again.attributes["data-full"] == first.attributes["id"]
    assert len(again.attributes["src"]) <= len(first.attributes["src"])
    assert page.one("table").all("a")[1].text == "style weight 20"
    titles = [each.text for each in page.all("ul", class_="legend")[-1].all("a")]
    assert titles[1] == "photo in the style of wave, style weight 20"


def test_losses_are_named_and_explained(make: Make, tmp_path: Path) -> None:
    def text(*runs: Path) -> str:
        report.write(tmp_path / "report.html", runs)
        return parsed(tmp_path / "report.html").one("main").text

    plain = make("plain")
    alike = text(plain, make("seed", seed=2))
    assert alike.count("Final loss: of the saved picture, 8 bits and without margin.") == 1
    assert "differ in" not in alike
    assert "These runs differ in size: their losses" in text(plain, make("large", size=128))
    assert "1.75 so far" in text(make("stopped", status="stopped"))


def test_masks_are_among_the_inputs(make: Make, tmp_path: Path) -> None:
    pattern(7).convert("L").save(tmp_path / "mask.png")
    region = RegionOf(name="sky", mask=Input(path=str(tmp_path / "mask.png"), sha256="f" * 64))
    report.write(tmp_path / "report.html", [make("run", regions=(region,))])
    inputs = parsed(tmp_path / "report.html").one("div", class_="inputs")
    assert [each.text for each in inputs.all("figcaption")][-1] == "mask sky: mask.png"
    assert len(inputs.all("img")) == 3


def test_names_are_text_and_never_markup(make: Make, tmp_path: Path) -> None:
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>&amp;'.replace("/", "\N{DIVISION SLASH}")
    picture = tmp_path / f"{evil}.png"
    picture.write_bytes((tmp_path / "photo.png").read_bytes())
    runs = [
        make(
            f"runs/{evil}",
            content=Input(path=str(picture), sha256="c" * 64),
            styles=(Input(path=f"/gone/</pre><script>{evil}"),),
            weights="</script><script>alert(1)</script>",
        ),
        make("runs/plain"),
    ]
    with RunFolder(runs[0]) as folder:
        folder.append({"done": 41, "loss": 2.0, "losses": {"</svg><script>alert(1)</script>": 1.0}})
    report.write(tmp_path / "report.html", runs, title="</title><script>alert(1)</script>")
    page = parsed(tmp_path / "report.html")
    assert len(page.all("script")) == len(page.all("style")) == 1
    assert "alert" not in page.one("script").text
    assert page.one("h1").text == "</title><script>alert(1)</script>"
    assert evil in page.one("table").all("a")[0].attributes["title"]
    assert page.all("h3")[0].text == "weights </script><script>alert(1)</script>"
    assert not [each for each in page._below() if any(name.startswith("on") for name in each.attributes)]
    assert all(image.attributes["src"].startswith("data:") for image in page.all("img"))


def test_runs_in_every_state_are_there(make: Make, tmp_path: Path) -> None:
    runs = {
        "done": make("runs/done"),
        "failed": make("runs/failed", status="failed", result=None, count=3),
        "stopped": make("runs/stopped", status="stopped", result=None, steps=(2, 30), count=30),
        "interrupted": make("runs/killed", status="running", result=None, count=0),
        "damaged": make("runs/damaged"),
        "missing": tmp_path / "runs/nothing",
    }
    (runs["damaged"] / "recipe.toml").write_text("size = [")
    (runs["damaged"] / "events.jsonl").write_text('{"done": 1, "loss": "x"}\nnothing\n[' * 3)
    (runs["damaged"] / "run.json").write_text("{}")
    (runs["done"] / "result.png").write_bytes(b"\x89PNG, but no more")
    report.write(tmp_path / "report.html", list(runs.values()), title="All kinds")
    page = parsed(tmp_path / "report.html")
    rows = page.one("tbody").all("tr")
    assert [row.all("span")[0].text for row in rows] == list(runs)
    done, failed, stopped, interrupted, damaged, missing = page.all("article")
    assert "damaged" in done.one("div", class_="empty").text
    for card in (failed, interrupted, missing):
        assert card.one("div", class_="empty").text == "no picture yet"
    assert len(stopped.all("img")) == 2  # the newest is the picture, the other a step
    assert [note.text for note in damaged.all("p", class_="note")] == [
        "recipe.toml: expected a recipe in TOML, got: Invalid value (at end of document)",
        "events.jsonl: 5 damaged lines left out",
    ]
    assert len(damaged.all("img")) == 1
    assert "there is no such folder" in missing.one("p", class_="note").text


def test_pictures_that_have_moved_away(make: Make, tmp_path: Path) -> None:
    run = make("run")
    (tmp_path / "photo.png").unlink()
    report.write(tmp_path / "report.html", [run], title="Gone")
    page = parsed(tmp_path / "report.html")
    assert "there is no such file" in page.one("div", class_="inputs").one("div", class_="empty").text
    assert "data-before" not in page.one("article").one("figure", data_name="run").attributes


def test_many_settings_that_differ(make: Make, tmp_path: Path) -> None:
    other = {
        "style_layers": {f"relu{block}_1": 0.123456 for block in range(1, 6)},
        "history": 9,
        "ratio": 4.0,
    }
    more = {
        "seed": 7,
        "noise": 1.0,
        "content_weight": 3.0,
        "style_weight": 4.0,
        "tv_weight": 1.0,
        "detail": 0.0,
    }
    report.write(tmp_path / "report.html", [make("a"), make("b", **other, **more)], title="Many")
    page = parsed(tmp_path / "report.html")
    differ = page.one("thead").all("th")[2:-3]
    assert {head.attributes["title"] for head in differ} == other.keys() | more.keys()
    card = page.all("article")[1]
    assert card.one("h3").text == "style weight 4, seed 7, content weight 3, …"
    assert {head.text for head in differ} <= {each.text for each in card.all("dt")}
    (long,) = [cell for cell in page.one("tbody").all("tr")[1].all("td") if "title" in cell.attributes]
    assert long.text == long.attributes["title"] == ", ".join(f"relu{n}_1 0.123456" for n in range(1, 6))


def test_a_palette_is_among_what_went_in(make: Make, tmp_path: Path) -> None:
    names = ("one", "two")
    for number, name in enumerate(names):
        pattern(number).save(tmp_path / f"{name}.png")
    palettes = [Input(path=str(tmp_path / f"{name}.png"), sha256=name) for name in names]
    runs = [make(f"runs/{each.sha256}", color="palette", palette=each) for each in palettes]
    report.write(tmp_path / "report.html", runs, title="Palettes")
    page = parsed(tmp_path / "report.html")
    captions = [each.text for each in page.one("div", class_="inputs").all("figcaption")]
    assert captions == ["content: photo.png", "style: painting.png", "palette: one.png", "palette: two.png"]
    cells = [[cell.text for cell in row.all("td")] for row in page.one("tbody").all("tr")]
    assert [row[1] for row in cells] == ["one.png", "two.png"]


def test_pictures_share_a_budget(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(album, "BUDGET", 200_000)
    monkeypatch.setattr(album, "_MAX_STEPS", 12)
    noise = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (192, 256, 3), np.uint8))
    runs = [make(f"runs/{number}", steps=tuple(range(1, 15))) for number in range(4)]
    for path in (tmp_path / "runs").rglob("*.png"):
        noise.save(path)  # nothing takes more bytes
    report.write(tmp_path / "report.html", runs, title="Budget")
    images = parsed(tmp_path / "report.html").all("img")
    assert len(images) == 4 * (1 + 3) + 2
    shown = sum(len(base64.b64decode(image.attributes["src"].split(",")[1])) for image in images)
    assert 100_000 < shown < 200_000
    assert all(
        embedded(image).size == tuple(int(image.attributes[x]) for x in ("width", "height"))
        for image in images
    )


def test_a_page_whole_or_not_at_all(make: Make, tmp_path: Path) -> None:
    run = make("run")
    with pytest.raises(ParameterError, match="at least one run"):
        report.write(tmp_path / "report.html", [], title="Nothing")
    with pytest.raises(OutputError, match=r"missing/report\.html: cannot write"):
        report.write(tmp_path / "missing" / "report.html", [run], title="Nowhere")
    assert not (tmp_path / "report.html").exists()


def test_progress_is_told(make: Make, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    runs = [make("a"), make("b")]
    report.write(tmp_path / "x.html", runs, title="", progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_runs_are_found_in_folders(make: Make, tmp_path: Path) -> None:
    a, b = make("runs/a"), make("runs/deep/b", preset="gatys")
    assert expand([tmp_path / "runs"]) == expand([a, tmp_path / "runs", b]) == [a, b]
    assert [each.name for each in read_all([a, b])] == ["a", "deep/b"]
    assert [each.name for each in read_all([a])] == ["a"]
    assert differing_settings(read_all([a, b])) == ["preset"]
    (tmp_path / "bare").mkdir()
    with pytest.raises(ParameterError, match="bare: expected the folder of a run, or a folder of runs"):
        expand([a, tmp_path / "bare"])
