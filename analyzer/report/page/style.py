"""The style and the scripts of pages: files beside this one, put into the page as they are."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
STYLE = (HERE / "page.css").read_text(encoding="utf-8")
FILTER = (HERE / "filter.js").read_text(encoding="utf-8")
MATRIX = (HERE / "matrix.js").read_text(encoding="utf-8")
