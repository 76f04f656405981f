"""The language of the code: no retired word, docstrings that state what a thing does."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.layout import ROOT

GLOSSARY = ROOT / "docs" / "glossary.md"
CODE = ("unlabelled", "lightning_modules", "datamodules", "callbacks", "benchmarks", "tools", "tests")
FIXED_TERMS = re.compile(
    r"vgg[-_ ]?sounds?|kinetics[-_ ]?sounds?|flickr[-_ ]?sound|sound[-_ ]?nets?|fluid[-_ ]?sound"
    r"|visual[-_ ]sounds?|sound_params|sounds_off"
    r"|(?-i:\bSounds\b)|\bsounds\.yaml"
    r"|sound[-_ ]?(locali[sz]ations?|sources?|events?|maps?|fonts?)|sounding",
    re.IGNORECASE,
)
"""Names of data sets and networks, and terms of the field, that contain a retired word."""


def retired_words() -> list[str]:
    """Return the words of the glossary's last table."""
    table = GLOSSARY.read_text(encoding="utf-8").partition("## Retired words")[2]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")][2:]
    return [word.strip() for row in rows for word in row.split(",")]


def words(text: str) -> list[str]:
    """Split identifiers and prose into lower-case words, without the fixed terms."""
    text = FIXED_TERMS.sub(" ", text)
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", text)]


def identifiers_and_docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of every name and of every docstring of a file."""
    source = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.NAME, tokenize.COMMENT):
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text)), lineno=line):
                yield line, text


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the comments of a YAML file, or the lines of a page; of the glossary, all but its last table."""
    text = path.read_text(encoding="utf-8")
    if path == GLOSSARY:
        text = text.partition("## Retired words")[0]
    for number, line in enumerate(text.splitlines(), 1):
        yield number, line.partition("#")[2] if path.suffix == ".yaml" else line


def files(folder: str, pattern: str) -> list[Path]:
    """Return the files of a folder but this one; the folder must not be empty."""
    found = sorted((ROOT / folder).rglob(pattern))
    assert found
    return [path for path in found if path != Path(__file__).resolve()]  # this one has examples of its own


def uses(texts: Iterator[tuple[int, str]], path: Path) -> set[str]:
    """Return where retired words are used."""
    retired = set(retired_words())
    return {
        f"{path.relative_to(ROOT)}:{line}: {word}"
        for line, text in texts
        for word in words(text)
        if word in retired
    }


def test_the_glossary_is_read() -> None:
    assert {"picture", "sight", "told"} <= set(retired_words())
    assert words("draw_picture of VGGSound, soundMap2 and hisSounds") == [
        "draw",
        "picture",
        "of",
        "and",
        "his",
        "sounds",
    ]


@pytest.mark.parametrize("folder", CODE)
def test_no_retired_word_in_identifiers_docstrings_and_comments(folder: str) -> None:
    assert not {use for path in files(folder, "*.py") for use in uses(identifiers_and_docstrings(path), path)}


@pytest.mark.parametrize(("folder", "pattern"), [("configs", "*.yaml"), ("docs", "*.md")])
def test_no_retired_word_in_prose(folder: str, pattern: str) -> None:
    assert not {use for path in files(folder, pattern) for use in uses(prose(path), path)}


def is_action(node: ast.AST) -> bool:
    """Return whether a node is a function that is called; properties are described by nouns."""
    return isinstance(node, ast.FunctionDef) and not any(
        "property" in ast.unparse(decorator) for decorator in node.decorator_list
    )


@pytest.mark.parametrize("folder", CODE)
def test_docstrings_say_what_a_thing_does(folder: str) -> None:
    """The first line is one sentence that does not begin like an answer to an unasked question."""
    offending = set()
    for path in files(folder, "*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                first = (ast.get_docstring(node) or "").partition("\n")[0]
                if re.match(r"(What|Whether|Where|When|How|Which|Who)\b", first) or (
                    is_action(node) and re.match(r"(The|A|An|Nothing|And)\b", first)
                ):
                    offending.add(f"{path.relative_to(ROOT)}: {first}")
    assert not offending
