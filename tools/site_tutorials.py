"""Pages of the documentation site made of the tutorials, which are Python files in cells.

A hook of mkdocs (``mkdocs.yml``): ``docs/tutorials/x.py`` becomes the page ``tutorials/x.md``. A cell begins
with a line ``# %%``; the comments of a cell ``# %% [markdown]`` are text, other cells are code.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

_CELL = re.compile(r"^# %%[ \t]*(\[markdown\])?.*\n?", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each tutorial."""
    from mkdocs.structure.files import File

    for source in sorted(Path(config.docs_dir, "tutorials").glob("*.py")):
        page = f"tutorials/{source.stem}.md"
        files.append(File.generated(config, page, content=as_markdown(source.read_text(encoding="utf-8"))))
    return files


def as_markdown(source: str) -> str:
    """Return a tutorial's cells as Markdown: text, and code in fences."""
    head, *cells = _CELL.split(source)
    pairs = [(None, head), *zip(cells[::2], cells[1::2], strict=True)]
    return "\n\n".join(_text(cell) if kind else _code(cell) for kind, cell in pairs if cell.strip()) + "\n"


def _text(cell: str) -> str:
    if match := re.fullmatch(r'\s*[rR]?"""(.*)"""\s*', cell, re.DOTALL):
        return match[1].strip()
    return "\n".join(re.sub(r"^# ?", "", line) for line in cell.strip().splitlines())


def _code(cell: str) -> str:
    return f"```python\n{cell.strip()}\n```"
