"""Block diagrams in a page. `scripts/make_docs.py` draws them from built graphs; here they are shown."""

from __future__ import annotations

import re
from html import escape, unescape

from zoo.site import svg
from zoo.site.place import DOCS


def picture(name: str) -> tuple[str, str]:
    """The inline SVG of a diagram, and its title."""
    path = DOCS / "diagrams" / f"{name}.svg"
    if not path.exists():
        known = (
            ", ".join(sorted(p.stem for p in path.parent.glob("*.svg")))
            or "none drawn yet: run scripts/make_docs.py"
        )
        raise ValueError(f"no diagram named {name!r}; expected one of: {known}")
    text = path.read_text()
    title, description = (
        unescape(re.search(f"<{tag}>(.*?)</{tag}>", text, re.S).group(1)) for tag in ("title", "desc")
    )
    return svg.inline(text, f"diagram-{name}", title, description), title


def figure(name: str, caption: str = "") -> str:
    """One diagram, captioned by its own title where the page gives no better one."""
    drawing, title = picture(name)
    return f'<figure class="zoo-diagram" data-search-exclude>{drawing}<figcaption>{escape(caption or title)}</figcaption></figure>'


def row(names: list[str]) -> str:
    """Diagrams side by side; they wrap where the screen is narrow."""
    return f'<div class="zoo-row">{"".join(figure(name) for name in names)}</div>'
