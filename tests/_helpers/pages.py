"""Read the pages of the documentation: links, anchors, blocks of code, commands, names."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

from tools.layout import ROOT

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if path.parent.name != "api"),
]
FENCE = re.compile(r"^( *)(`{3,})(?P<info>[^\n`]*)\n(?P<code>.*?)^\1\2 *$", re.DOTALL | re.MULTILINE)
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def without_blocks(text: str) -> str:
    return FENCE.sub("", text)


def blocks(text: str, language: str) -> Iterator[tuple[str, str]]:
    """Yield the info line and the code of each block in a language."""
    for match in FENCE.finditer(text):
        if re.match(rf"\{{? *\.?{language}\b", match["info"].strip()):
            yield match["info"].strip(), match["code"]


def code_spans(text: str) -> list[str]:
    return [" ".join(match[2].split()) for match in _CODE_SPAN.finditer(without_blocks(text))]


@cache
def anchors(path: Path) -> set[str]:
    """Return the anchors of the headings of a page that are the same on GitHub and on the site."""
    headings = re.findall(r"^#{1,6} +(.+?) *#*$", without_blocks(read(path)), re.MULTILINE)
    return {_on_site(each) for each in headings} & {_on_github(each) for each in headings}


def _plain(heading: str) -> str:
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")


def _on_github(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", _plain(heading).lower()).replace(" ", "-")


def _on_site(heading: str) -> str:
    ascii_only = unicodedata.normalize("NFKD", _plain(heading)).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", ascii_only).strip().lower())


def commands(text: str) -> Iterator[list[str]]:
    """Yield the commands in blocks of shell code and in code spans, as words, without comments."""
    for _, code in blocks(text, "(?:sh|bash)"):
        for line in code.replace("\\\n", " ").splitlines():
            yield shlex.split(line, comments=True)
    for span in code_spans(text):
        if span.startswith(("python ", "make ")):
            yield shlex.split(span)


def alternatives(text: str) -> list[str]:
    """Return what a shell makes of ``a_{b,c}``."""
    parts = re.split(r"\{([^{}]*)\}", text)
    choices = [part.split(",") if number % 2 else [part] for number, part in enumerate(parts)]
    return ["".join(each) for each in product(*choices)]


def is_placeholder(text: str) -> bool:
    """Return whether a reader is to put something else there, such as ``configs/recipes/NAME.yaml``."""
    return re.fullmatch(r"[A-Z_]+", Path(text).stem) is not None
