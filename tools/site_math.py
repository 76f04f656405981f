r"""Equations of the documentation site as MathML, which browsers show without scripts.

A hook of mkdocs (``mkdocs.yml``). Equations are ``$...$`` and ``$$...$$`` outside of code, as on GitHub.
While Markdown is processed, words stand in for them.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from latex2mathml.converter import convert

if TYPE_CHECKING:
    from mkdocs.structure.pages import Page

_EQUATION = re.compile(
    r"(?P<code>```.*?```|`+[^`\n]+`+)|\$\$(?P<block>.+?)\$\$|(?<![\\$\w])\$(?=\S)(?P<inline>[^$`]+?)(?<=\S)\$(?!\w)",
    re.DOTALL,
)
_PLACE = re.compile(r"equation(\d+)noitauqe")
_ALPHABET = re.compile(r'<(m[in]) mathvariant="(bold|script|double-struck)">(\w)</\1>')
_UPRIGHT = re.compile(r'(?:<mi mathvariant="normal">\w</mi>){2,}')
_DIGITS = ["ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE"]


_pages: dict[str, list[str]] = {}


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Return the page with words in the places of its equations."""
    text, _pages[page.file.src_uri] = take_equations(markdown)
    return text


def on_page_content(content: str, page: Page, **_: object) -> str:
    """Return the page with its equations."""
    equations = _pages.pop(page.file.src_uri)
    return _PLACE.sub(lambda place: equations[int(place[1])], content)


def take_equations(markdown: str) -> tuple[str, list[str]]:
    """Return Markdown without its equations, and these as MathML."""
    equations: list[str] = []

    def take(match: re.Match[str]) -> str:
        if match["code"]:
            return match["code"]
        equations.append(mathml(match["block"] or match["inline"], block=bool(match["block"])))
        return f"equation{len(equations) - 1}noitauqe"

    return _EQUATION.sub(take, markdown), equations


def mathml(latex: str, block: bool) -> str:
    """Return the MathML of an equation.

    Raises:
        ValueError: A command was not converted.
    """
    latex = re.sub(r"\\[bB]igg?[lr]?\s*(?=\\[lr]angle)", "", latex.strip())
    result = convert(latex, display="block" if block else "inline")
    result = result.replace(r"<mi>\arg</mi>", '<mi>arg</mi><mspace width="0.17em"/>')
    result = _ALPHABET.sub(_letter, result)
    result = _UPRIGHT.sub(lambda run: f"<mi>{re.sub('<[^>]*>', '', run[0])}</mi>", result)
    if left := re.search(r"\\[A-Za-z]+", result):
        raise ValueError(f"{left[0]} in the equation {latex!r} has no MathML; write it otherwise")
    return result


def _letter(match: re.Match[str]) -> str:
    """Return a letter or digit of another alphabet as its own character: browsers ignore ``mathvariant``."""
    tag, variant, character = match.groups()
    case = "CAPITAL" if character.isupper() else "SMALL"
    kind = f"DIGIT {_DIGITS[int(character)]}" if character.isdigit() else f"{case} {character.upper()}"
    name = f"{variant.upper()} {kind}"
    try:
        return f"<{tag}>{unicodedata.lookup(f'MATHEMATICAL {name}')}</{tag}>"
    except KeyError:  # a few letters, such as R, have had characters before all of them got one
        return f"<{tag}>{unicodedata.lookup(name)}</{tag}>"
