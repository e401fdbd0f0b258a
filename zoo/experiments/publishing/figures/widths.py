"""How wide text is, and how much of it there is room for."""

from collections.abc import Iterable

from zoo.experiments.publishing.axes import Axis

LETTER = 12  # size of all text but titles, which are larger
# Where text of 12 is 9 pixels high and more on a phone, whose column is 358 wide.
WIDEST = 470
ADVANCE = 7.0  # pixels of a letter of that size, in the widest of the usual fonts
NAME = 32  # letters of a line of the name of a row
WORDS = 6.0  # pixels of a letter of words such as `1 of 5 at chance`, half of whose letters are narrow
APART = 8  # pixels between the edge and words that begin or end there


def wrapped(text: str, letters: int) -> list[str]:
    """Text in lines of at most so many letters, unless a word is longer."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and len(lines[-1]) + 1 + len(word) <= letters:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def beside_names(names: Iterable[str]) -> float:
    """Pixels that the names of rows leave to what is drawn beside them."""
    return WIDEST - max(len(line) for name in names for line in wrapped(name, NAME)) * ADVANCE - 30


def have_room(words: str, width: float) -> bool:
    """Whether words at the edge end before what lies so many pixels from it."""
    return len(words) * WORDS + APART <= width


def fewer(along: Axis, width: float) -> Axis:
    """With every second tick, or less, where labels would touch."""
    letters = max(len(f"{tick:g}") for tick in along.labelled)
    fit = max(2, int(width / ((letters + 2) * ADVANCE)))
    every = -(-len(along.labelled) // fit)
    if every == 1 or along.kind == "log":
        return along
    return Axis(along.low, along.high, along.ticks[::every], along.labelled[::every], along.kind)
