"""Block diagrams in a page. `scripts/make_docs.py` draws them from built graphs; here they are shown."""

from __future__ import annotations

import re
from html import escape, unescape

from zoo.site import svg
from zoo.site.place import DOCS


def picture(name: str) -> tuple[str, str, float]:
    """The inline SVG of a diagram, its title, and its width in pixels."""
    path = DOCS / "diagrams" / f"{name}.svg"
    if not path.exists():
        known = (
            ", ".join(sorted(p.stem for p in path.parent.glob("*.svg"))) or "none, run scripts/make_docs.py"
        )
        raise ValueError(f"no diagram named {name!r}; expected one of: {known}")
    text = path.read_text()
    title, description = (
        unescape(re.search(f"<{tag}>(.*?)</{tag}>", text, re.S).group(1)) for tag in ("title", "desc")
    )
    width = float(re.search(r'width="([\d.]+)"', text).group(1))
    # The colours of the file are for where there is no style sheet; here the page's scheme decides.
    text = re.sub(r"<style>.*?</style>", "", text, flags=re.S)
    return svg.inline(text, f"diagram-{name}", title, description), title, width


def figure(name: str, caption: str = "") -> str:
    """One diagram, captioned by its own title where the page gives no better one."""
    drawing, title, width = picture(name)
    # Beside others it may shrink a little before the row wraps: to letters of nine pixels, of twelve.
    basis = f'style="flex-basis: {0.8 * width:.0f}px"'
    words = escape(caption or title).replace("_", "_<wbr>")
    return (
        f'<figure class="zoo-diagram" data-search-exclude {basis}>{drawing}'
        f"<figcaption>{words}</figcaption></figure>"
    )


def row(names: list[str]) -> str:
    """Diagrams side by side; they wrap where the screen is narrow."""
    return f'<div class="zoo-row">{"".join(figure(name) for name in names)}</div>'
