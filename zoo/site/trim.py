"""A chart's drawing in fewer bytes: what is left out or shared changes nothing that is seen.

Vega writes every attribute of every mark, and coordinates to a millionth of a pixel. A page that holds six drawings
would weigh more than its text, its style and its scripts together.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import groupby

_SVG = "{http://www.w3.org/2000/svg}"
#: What a renderer takes for granted, what styles nothing here, and what is said by the title and the table instead.
_SILENT = re.compile(r"class|role|pointer-events|aria-.*")
_DEFAULTS = {"opacity": "1", "stroke-width": "1", "stroke-dasharray": "1,0", "x2": "0", "y2": "0"}
#: Inherited by the children of a group; opacity is not, it would apply to the group as a whole.
_SHARED = {"stroke", "stroke-width", "stroke-opacity", "stroke-dasharray"}
_SHARED_TEXT = {"fill", "font-family", "font-size", "font-weight", "text-anchor"}
#: A run of fewer marks is not worth the group around it.
_RUN = 3
_COMMAND = re.compile(r"([a-zA-Z])([^a-zA-Z]*)")
_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?")
_TRANSLATE = re.compile(r"translate\(([^,()]+),([^,()]+)\)")
_CIRCLE = re.compile(r"M([\d.]+),0A\1,\1,0,1,1,-\1,0A\1,\1,0,1,1,\1,0Z?")
#: Command -> how many numbers, of which the last two are a point.
_POINTS = {"M": 2, "L": 2, "C": 6, "A": 7}


def trim(svg: str) -> str:
    """The `<svg>` of a text, trimmed; every mark that is seen stays, where it was to a tenth of a pixel."""
    root = ET.fromstring(svg[svg.index("<svg") :])
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
    root.set("xmlns", _SVG[1:-1])
    fonts = {text.get("font-family") for text in root.iter("text")}
    if len(fonts) == 1 and (font := fonts.pop()):
        root.set("font-family", font)
        for text in root.iter("text"):
            del text.attrib["font-family"]
    _share_clips(root)
    root[:] = _trimmed(list(root))
    return ET.tostring(root, encoding="unicode").replace(" />", "/>")


def _share_clips(root: ET.Element) -> None:
    """One clip for all marks that are cut at the same box: Vega writes one a mark."""
    first: dict[bytes, str] = {}
    same: dict[str, str] = {}
    for parent in root.iter("defs"):
        for clip in parent.findall("clipPath"):
            shape = b"".join(ET.tostring(part) for part in clip)
            same[f"url(#{clip.get('id')})"] = f"url(#{first.setdefault(shape, clip.get('id', ''))})"
            if first[shape] != clip.get("id"):
                parent.remove(clip)
    for element in root.iter():
        if clipped := element.get("clip-path"):
            element.set("clip-path", same.get(clipped, clipped))


def _trimmed(elements: list[ET.Element]) -> list[ET.Element]:
    """Siblings without what is not seen, in groups that say once what they have in common."""
    seen: list[ET.Element] = []
    for element in elements:
        element[:] = element if element.tag in ("clipPath", "defs", "text") else _trimmed(list(element))
        element.tail = None
        if not _is_seen(element):
            continue
        _tidy(element)
        if element.tag == "g" and not element.attrib:
            seen += element
        elif element.tag == "g" and len(element) == 1 and _merges(element, element[0]):
            seen.append(element[0])
        else:
            seen.append(element)
    return _grouped(_joined(seen))


def _is_seen(element: ET.Element) -> bool:
    empty = not len(element) and not (element.text or "").strip()
    if element.get("display") == "none" or (empty and element.tag in ("g", "text")):
        return False
    if element.tag != "path":
        return True
    # The outermost group says fill="none": a path is seen where it says otherwise itself.
    painted = any(element.get(key, "none") not in ("none", "transparent") for key in ("fill", "stroke"))
    return painted and bool(element.get("d"))


def _tidy(element: ET.Element) -> None:
    attributes = element.attrib
    for key, value in list(attributes.items()):
        if _SILENT.fullmatch(key) or _DEFAULTS.get(key) == value:
            del attributes[key]
    if element.tag == "path" and "stroke" not in attributes:
        for key in [key for key in attributes if key.startswith("stroke-")]:
            del attributes[key]
    if moved := _TRANSLATE.fullmatch(attributes.get("transform", "")):
        x, y = (_short(float(value)) for value in moved.groups())
        attributes["transform"] = f"translate({x},{y})"
        if (x, y) == ("0", "0"):
            del attributes["transform"]
    if element.tag == "path":
        _tidy_path(element, moved)


def _tidy_path(element: ET.Element, moved: re.Match[str] | None) -> None:
    attributes = element.attrib
    circle = _CIRCLE.fullmatch(attributes["d"])
    if not circle:
        attributes["d"] = _relative(attributes["d"])
        return
    element.tag = "circle"
    del attributes["d"]
    attributes["r"] = _short(float(circle[1]), 2)
    if moved:
        attributes.pop("transform", None)
        attributes["cx"], attributes["cy"] = (_short(float(value)) for value in moved.groups())


def _merges(outer: ET.Element, inner: ET.Element) -> bool:
    """Give a lone child what its group says; False where both say something about the same."""
    said = outer.attrib.keys()
    # What clips or fades a group does so in the group's own coordinates, and to all of it at once.
    if said & inner.attrib.keys() - {"transform"} or said - _SHARED - _SHARED_TEXT - {"transform"}:
        return False
    if "transform" in outer.attrib and "transform" in inner.attrib:
        moves = [_TRANSLATE.fullmatch(each.get("transform")) for each in (outer, inner)]
        if not all(moves):
            return False
        x, y = (sum(float(move[axis]) for move in moves) for axis in (1, 2))
        outer.set("transform", f"translate({_short(x)},{_short(y)})")
    inner.attrib.update(outer.attrib)
    return True


def _joined(elements: list[ET.Element]) -> list[ET.Element]:
    """Neighbouring lines that look alike, such as those of a grid, as one path."""

    def look(element: ET.Element) -> object:
        place = ("transform", "x2", "y2")
        if element.tag != "line" or not _TRANSLATE.fullmatch(element.get("transform", "translate(0,0)")):
            return id(element)
        return tuple((key, value) for key, value in element.items() if key not in place)

    joined = []
    for attributes, alike in groupby(elements, look):
        lines = list(alike)
        if len(lines) == 1 or not isinstance(attributes, tuple):
            joined += lines
            continue
        strokes = []
        for line in lines:
            x, y = _TRANSLATE.fullmatch(line.get("transform", "translate(0,0)")).groups()
            strokes.append(f"M{x},{y}l{line.get('x2', '0')},{line.get('y2', '0')}")
        joined.append(ET.Element("path", {**dict(attributes), "d": _relative("".join(strokes))}))
    return joined


def _grouped(elements: list[ET.Element]) -> list[ET.Element]:
    """Neighbours that look alike within a group that says how."""

    def look(element: ET.Element) -> object:
        keys = _SHARED | _SHARED_TEXT if element.tag == "text" else _SHARED
        return element.tag == "text", tuple(
            (key, element.get(key)) for key in sorted(keys) if key in element.attrib
        )

    grouped = []
    for (_, shared), alike in groupby(elements, look):
        run = list(alike)
        if len(run) < _RUN or not shared:
            grouped += run
            continue
        for element in run:
            for key, _ in shared:
                del element.attrib[key]
        group = ET.Element("g", dict(shared))
        group[:] = run
        grouped.append(group)
    return grouped


def _short(value: float, digits: int = 1) -> str:
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return {"-0": "0"}.get(text, text).replace("0.", ".", 1) if abs(value) < 1 else text


def _relative(path: str) -> str:
    """A path from point to point, in tenths of a pixel. Each step starts where the last one ended, so none adds up."""
    here, begin, out = [0.0, 0.0], [0.0, 0.0], []
    for command, rest in _COMMAND.findall(path):
        numbers = [float(number) for number in _NUMBER.findall(rest)]
        kind = command.upper()
        if kind == "Z":
            out.append("z")
            here = list(begin)
            continue
        if kind in "HV":
            axis = "HV".index(kind)
            for number in numbers:
                end = number + here[axis] * command.islower()
                step = round(end - here[axis], 1)
                out.append(kind.lower() + _short(step))
                here[axis] += step
            continue
        size = _POINTS.get(kind)
        if not size or len(numbers) % size:
            return path  # a command that Vega does not write: left as it is
        for start in range(0, len(numbers), size):
            own = numbers[start : start + size]
            base = here if command.islower() else [0.0, 0.0]
            first = 5 if kind == "A" else 0
            steps = [round(value + base[i % 2] - here[i % 2], 1) for i, value in enumerate(own[first:])]
            out.append(
                kind.lower() + _spaced([_short(v, 2) for v in own[:first]] + [_short(v) for v in steps])
            )
            here = [here[0] + steps[-2], here[1] + steps[-1]]
            if kind == "M":
                begin, kind = list(here), "L"  # further points after a move are lines
    return _implicit(out)


def _spaced(numbers: list[str]) -> str:
    return re.sub(r" -", "-", " ".join(numbers))


def _implicit(steps: list[str]) -> str:
    """A command that repeats is not written again."""
    text, last = "", ""
    for step in steps:
        same = step[0] == last and step[0] in "lca"
        numbers = step[1:] if same else step
        text += f" {numbers}" if same and not numbers.startswith("-") else numbers
        last = "l" if step[0] == "m" else step[0]
    return text
