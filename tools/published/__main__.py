"""Write docs/published.md. Run: ``python -m tools.published``."""

from __future__ import annotations

from tools.published.page import PAGE, render

if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
    print(PAGE)
