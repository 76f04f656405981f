"""The HTML document of a page: the front end and the data in one file, which runs nothing else.

Browsers refuse modules and requests in pages that are opened from disk, so that script, style and data are
inside the document. Its content security policy allows the script and the style by their hashes alone.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_FRONT = Path(__file__).parent / "front"
_SCRIPTS = (
    "d3",  # a library, bundled by tools/front_end
    "state",
    "cuts",
    "media",
    "tiles",
    "clusters",
    "detail",
    "map",
    "lasso",
    "tree",
    "queries",
    "compare",
    "labels",
    "main",
)
"""The parts of the script, in their order."""


def document(data: Mapping[str, Any], title: str) -> str:
    """Return the document of a page with ``data``, which front/state.js describes, in ASCII."""
    style = (_FRONT / "page.css").read_text("utf-8")
    parts = "\n".join((_FRONT / f"{name}.js").read_text("utf-8") for name in _SCRIPTS)
    script = f'"use strict";\n(() => {{\n{parts}\n}})();\n'
    filled = {
        "@POLICY@": _policy(script, style),
        "@TITLE@": html.escape(title),
        "@STYLE@": style,
        "@DATA@": _inert_json(data),
        "@SCRIPT@": script,
    }
    pieces = []
    rest = (_FRONT / "page.html").read_text("utf-8")
    for mark, text in filled.items():  # in the order of the template, so that data are never replaced
        before, _, rest = rest.partition(mark)
        pieces += [before, text]
    return "".join([*pieces, rest]).encode("ascii", "xmlcharrefreplace").decode()


def _policy(script: str, style: str) -> str:
    return (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "img-src 'self' file: data:; media-src 'self' file:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _inert_json(data: Mapping[str, Any]) -> str:
    """Return JSON without any character that ends a script element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
