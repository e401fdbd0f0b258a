"""Draws a small layer graph as a block diagram: the main path in one column, what goes around it beside.

The file names its colours for a page of either scheme; `zoo.site.diagrams` puts it into one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from zoo.experiments.publishing.inks import LIGHT

_WIDTH, _HEIGHT, _GAP, _LANE = 156, 28, 18, 24
_NARROW = 108  # a box where three or more stand side by side, so that a phone shows them with legible text
_LETTER, _MARGIN = 6.5, 10  # pixels of a letter, in the widest of the usual fonts; beside a label
_STYLE = (
    "<style>.zoo-d-line{stroke:#6e7781;fill:none;stroke-width:1.5}.zoo-d-head{fill:#6e7781}"
    ".zoo-d-box{fill:#f6f8fa;stroke:#d0d7de}.zoo-d-text{fill:#1f2328}.zoo-d-soft{fill:#57606a}"
    f".zoo-d-act .zoo-d-box{{fill:{LIGHT['act-box']};stroke:{LIGHT['act']}}}"
    f".zoo-d-act .zoo-d-text{{fill:{LIGHT['act']};font-weight:600}}</style>"
)
# Only in a drawing that has something marked.
_STYLE_OF_MARKS = (
    f"<style>.zoo-d-other .zoo-d-box{{stroke:{LIGHT['other']};stroke-width:2.5;stroke-dasharray:5 2}}"
    f".zoo-d-other:not(.zoo-d-act) .zoo-d-box{{fill:{LIGHT['other-box']}}}</style>"
)


@dataclass(frozen=True, kw_only=True)
class Block:
    """One layer of the graph.

    Attributes:
        name: Unique name.
        label: Text in the box.
        kind: `"layer"`, `"act"` (highlighted), `"point"` (an addition or product, drawn as a circle) or
            `"port"` (where the drawing begins and ends).
        inside: An activation built into the layer, drawn as a highlighted part of the same box.
        after: Names of the blocks it reads.
        marked: Whether it is marked as different from another drawing.
    """

    name: str
    label: str
    kind: str = "layer"
    inside: str = ""
    after: tuple[str, ...] = ()
    marked: bool = False


def svg(blocks: Sequence[Block], title: str, description: str) -> str:
    """The drawing of `blocks`, which are in topological order and have one first and one last block."""
    columns, lanes = _columns(blocks)
    rank = _ranks(blocks, columns)
    by_name = {b.name: b for b in blocks}
    top, y = {}, 4.0
    for r in range(max(rank.values()) + 1):
        here = [b for b in blocks if rank[b.name] == r]
        tallest = max((_height(b) for b in here), default=0)
        for b in here:
            top[b.name] = y + (tallest - _height(b)) / 2
        y += tallest + _GAP
    wide = _wide(blocks, columns)
    x = _positions(columns, lanes, wide)
    lines = []
    for b in blocks:
        for source in b.after:
            lines.append(_edge(by_name[source], b, columns, lanes, x, top, wide))
    width = max([x[c] + wide / 2 for c in set(columns.values())] + [x[c] + 8 for c in lanes.values()]) + 4
    height = y - _GAP + 4
    style = _STYLE + (_STYLE_OF_MARKS if any(b.marked for b in blocks) else "")
    boxes = [_box(b, x[columns[b.name]], top[b.name], wide) for b in blocks]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="sans-serif" font-size="12">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
        f"{style}\n" + "\n".join(lines + boxes) + "\n</svg>\n"
    )


def _columns(blocks: Sequence[Block]) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Column of each block; lane of each edge that has to pass beside other blocks."""
    readers = {b.name: [c.name for c in blocks if b.name in c.after] for b in blocks}
    longest: dict[str, list[str]] = {}
    for b in reversed(blocks):
        longest[b.name] = [b.name, *max((longest[r] for r in readers[b.name]), key=len, default=[])]
    column = dict.fromkeys(longest[blocks[0].name], 0)
    next_column = 1
    for b in blocks:
        if b.name in column:
            continue
        name = b.name
        while name not in column:
            column[name] = next_column
            free = [r for r in readers[name] if r not in column]
            if not free:
                break
            name = max(free, key=lambda r: len(longest[r]))
        next_column += 1
    order = {b.name: i for i, b in enumerate(blocks)}
    lanes = {}
    for b in blocks:
        for source in b.after:
            if column[source] != column[b.name]:
                continue
            same = [c.name for c in blocks if column[c.name] == column[b.name]]
            if any(order[source] < order[name] < order[b.name] for name in same):
                lanes[source, b.name] = next_column
                next_column += 1
    for b in blocks:
        for source in b.after:
            # An input that a far column reads although the column's own blocks stand in the way.
            beside = column[source] == 0 and column[b.name] > 0
            if beside and any(column[s] == column[b.name] for s in b.after if s != source):
                lanes[source, b.name] = next_column
                next_column += 1
    return column, lanes


def _ranks(blocks: Sequence[Block], columns: dict[str, int]) -> dict[str, int]:
    rank: dict[str, int] = {}
    for b in blocks:
        rank[b.name] = max((rank[s] + 1 for s in b.after), default=0)
    # What goes around the main path is centred beside it.
    for c in range(1, max(columns.values()) + 1):
        chain = [b for b in blocks if columns[b.name] == c]
        readers = [rank[r.name] for b in chain for r in blocks if b.name in r.after and columns[r.name] != c]
        if not chain or not readers:
            continue
        slack = min(readers) - 1 - rank[chain[-1].name]
        shift = slack // 2 if len(chain) == 1 else min(slack, slack // 2 + 1)
        if shift > 0:
            for b in chain:
                rank[b.name] += shift
    return rank


def _wide(blocks: Sequence[Block], columns: dict[str, int]) -> float:
    """Width of the boxes of a drawing: the usual one, or what the longest label needs."""
    labels = [text for b in blocks if b.kind in ("layer", "act") for text in (b.label, b.inside)]
    return max(_NARROW if max(columns.values()) > 1 else _WIDTH, _LETTER * max(map(len, labels)) + _MARGIN)


def _positions(columns: dict[str, int], lanes: dict[tuple[str, str], int], wide: float) -> dict[int, float]:
    x, right = {}, 4.0
    for c in sorted(set(columns.values()) | set(lanes.values())):
        if c in columns.values():
            x[c] = right + wide / 2
            right += wide + _LANE
        else:
            x[c] = right
            right += _LANE / 2
    return x


def _height(block: Block) -> float:
    return _HEIGHT * (2 if block.inside else 1) if block.kind != "port" else 16


def _half(block: Block, wide: float) -> float:
    """Half the width of what is drawn."""
    return {"point": _HEIGHT / 2, "port": 8}.get(block.kind, wide / 2)


def _edge(source: Block, target: Block, columns, lanes, x, top, wide: float) -> str:
    x0, y0 = x[columns[source.name]], top[source.name] + _height(source)
    x1, y1 = x[columns[target.name]], top[target.name]
    middle = y1 + _height(target) / 2
    lane = lanes.get((source.name, target.name))
    if lane is not None:
        side = x1 + _half(target, wide)
        path = [(x0, y0 + 7), (x[lane], y0 + 7), (x[lane], middle), (side, middle)]
        if source.kind != "port":
            path.insert(0, (x0, y0))
        return _arrow(path)
    if x0 == x1:
        return _arrow([(x0, y0), (x1, y1)])
    if columns[source.name] == 0:  # leaves the main path
        return _arrow([(x0, y0), (x0, y0 + 7), (x1, y0 + 7), (x1, y1)])
    side = x1 + _half(target, wide) * (1 if x0 > x1 else -1)
    below = [name for name in top if columns[name] == columns[source.name] and y0 <= top[name] < middle]
    if below:  # straight down would run behind them, and seem to come from the last of them
        towards = 1 if x1 > x0 else -1
        out, height = x0 + towards * _half(source, wide), y0 - _height(source) / 2
        lane = out + towards * _LANE / 2
        return _arrow([(out, height), (lane, height), (lane, middle), (side, middle)])
    if y0 <= middle:
        return _arrow([(x0, y0), (x0, middle), (side, middle)])
    return _arrow([(x0 - _half(source, wide), y0 - _height(source) / 2), (side, middle)])


def _arrow(path: list[tuple[float, float]]) -> str:
    (x0, _), (x1, y1) = path[-2:]
    if x0 == x1:
        head = [(x1 - 4, y1 - 7), (x1 + 4, y1 - 7), (x1, y1)]
    else:
        back = 7 if x0 > x1 else -7
        head = [(x1 + back, y1 - 4), (x1 + back, y1 + 4), (x1, y1)]
    line = " ".join(f"{x:g},{y:g}" for x, y in path)
    tip = " ".join(f"{x:g},{y:g}" for x, y in head)
    return f'<polyline class="zoo-d-line" points="{line}"/><polygon class="zoo-d-head" points="{tip}"/>'


def _box(block: Block, x: float, y: float, wide: float) -> str:
    label = escape(block.label)
    classes = [css for css, has in (("zoo-d-act", block.kind == "act"), ("zoo-d-other", block.marked)) if has]
    group = f'<g class="{" ".join(classes)}">' if classes else "<g>"

    def text(center: float, of: str, css: str = "zoo-d-text", size: str = "") -> str:
        return f'<text class="{css}" x="{x:g}" y="{center + 4:g}" text-anchor="middle"{size}>{of}</text>'

    if block.kind == "port":
        return text(y + 8, label, "zoo-d-soft")
    if block.kind == "point":
        radius = _HEIGHT / 2
        circle = f'<circle class="zoo-d-box" cx="{x:g}" cy="{y + radius:g}" r="{radius:g}"/>'
        large = ' font-size="15"'
        return f"{group}{circle}{text(y + radius, label, size=large)}</g>"
    drawn = f"{group}{_rect(x, y, wide)}{text(y + _HEIGHT / 2, label)}</g>"
    if block.inside:
        low = y + _HEIGHT
        drawn += (
            f'<g class="zoo-d-act">{_rect(x, low, wide)}{text(low + _HEIGHT / 2, escape(block.inside))}</g>'
        )
    return drawn


def _rect(x: float, y: float, wide: float) -> str:
    size = f'width="{wide:g}" height="{_HEIGHT}" rx="4"'
    return f'<rect class="zoo-d-box" x="{x - wide / 2:g}" y="{y:g}" {size}/>'
