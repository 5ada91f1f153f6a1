"""What the pages' Python examples import is there, and so is every file and module that they name."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

import impasto

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name != "log.md"),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_import_what_is_there(page: Path) -> None:
    for example in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for node in ast.walk(ast.parse(example)):
            if (
                isinstance(node, ast.ImportFrom)
                and node.module is not None
                and node.module.startswith("impasto")
            ):
                module = importlib.import_module(node.module)
                for each in node.names:
                    assert hasattr(module, each.name) or importlib.import_module(f"{node.module}.{each.name}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_and_modules_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for named in re.findall(r"`(src/impasto/[\w/.]+)`", text):
        assert (ROOT / named).exists(), named
    for named in re.findall(r"\bimpasto(?:\.[a-z_]+)+", text):
        found: object = impasto
        at = "impasto"
        for part in named.split(".")[1:]:
            at += f".{part}"
            if not hasattr(found, part):
                importlib.import_module(at)
            found = getattr(found, part)
