"""Docstrings as Markdown for the documentation site: roles and paths of pages become links.

An extension of griffe (``mkdocs.yml``), which reads the packages for the reference pages.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|meth|attr|mod|data|exc):`(~?)([\w.]+)`")
_PAGE = re.compile(r"`{0,2}\bdocs/([\w/]+)\.md(#[\w-]+)?`{0,2}")
_PACKAGES = ("unlabelled", "lightning_modules", "datamodules", "callbacks")


class Markdown(griffe.Extension):
    """Rewrite the docstring of every object."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Turn ``:class:`~a.B``` into a link to the reference and ``docs/x.md#y`` into a link to the page."""
        if obj.docstring is not None:
            scope = obj if obj.is_class or obj.is_module else obj.parent or obj
            obj.docstring.value = _markdown(obj.docstring.value, scope.path)


def _markdown(text: str, scope: str) -> str:
    text = _ROLE.sub(lambda match: _reference(match[2], bool(match[1]), scope), text)
    return _PAGE.sub(lambda match: _page(match[1], match[2] or ""), text)


def _reference(name: str, last_part_only: bool, scope: str) -> str:
    target = name if name.startswith(_PACKAGES) else f"{scope}.{name}"
    text = name.rpartition(".")[2] if last_part_only else name
    return f'<autoref optional identifier="{target}"><code>{text}</code></autoref>'


def _page(path: str, anchor: str) -> str:
    return f'<a href="../../{path}/{anchor}">docs/{path}.md{anchor}</a>'
