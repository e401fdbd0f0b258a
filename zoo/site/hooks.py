"""What the build adds that a page could do without: less to load and to read, and a notebook beside each question.

MkDocs calls these functions by their names (`hooks` in mkdocs.yml). A builder that knows no hooks makes the same pages,
heavier and without notebooks; no page links to a notebook that was not written.
"""

from __future__ import annotations

import gc
import itertools
import re
from pathlib import Path
from typing import Any

from zoo.site import notebooks, purge
from zoo.site.place import DOCS

#: White space means something within these.
_AS_IT_IS = re.compile(r"(<(pre|textarea|script|style)\b.*?</\2>)", re.DOTALL)
#: What can be left out: names and blanks have the colour of all code, a type's full name may be the name shown.
_NEEDLESS = (
    (re.compile(r'<span class="(?:n|w|kc|sa|vm)">([^<]*)</span>'), r"\1"),
    # Operators have the colour of punctuation, so that a run of both is one piece.
    (
        re.compile(r'(?:<span class="[op]">[^<]*</span>)+'),
        lambda run: f'<span class="p">{re.sub("<[^>]*>", "", run[0])}</span>',
    ),
    # HTML ends a cell where the next one begins.
    (re.compile(r"</(?:td|th|tr)>"), ""),
    (re.compile(r'<span title="([^"<]+)">\1</span>'), r"\1"),
    # What a name stands for has its own colour; where a link leads, its address says.
    (re.compile(r'<span class="n">(<(span|a)\b[^>]*>[^<]*</\2>)</span>'), r"\1"),
    (re.compile(r'<a class="autorefs autorefs-internal" title="[^"]*"'), '<a class="autorefs"'),
    # An anchor for lines of code, which nothing counts here.
    (re.compile(r"(<pre[^>]*>)<span></span>"), r"\1"),
)
#: By this the theme asks the repository's host for stars and forks, and pages send no request to another machine.
_ASKS_THE_HOST = ' data-md-component="source"'
#: What only some pages need, and what those have.
_NEEDED_WHERE = (
    (re.compile(r'<script src="[^"]*javascripts/charts\.js"[^>]*></script>'), " data-spec="),
    (re.compile(r'<link rel="stylesheet" href="[^"]*assets/_mkdocstrings\.css">'), 'class="doc '),
)
#: A cell of a table, up to the next one; code within it; where a long piece of code may go on in the next line.
_CELL = re.compile(r"<t[dh]\b[^>]*>(?:(?!</?t[dhr]\b).)*<code>(?:(?!</?t[dhr]\b).)*", re.DOTALL)
_CODE = re.compile(r"(?<=<code>)[^<]{16,}(?=</code>)")
_MAY_BREAK = re.compile(r"(?<=[\w)])([(,=_]+)(?=[\w\"'])|(?<=[a-z])(?=[A-Z])")
#: Tables of numbers, which say that they are not to be searched, and drawings; what stands for them meanwhile.
_NOT_SEARCHED = re.compile(
    r'<div class="zoo-table" data-search-exclude.*?</table></div>|<svg\b.*?</svg>', re.DOTALL
)
_WAS_KEPT = re.compile(r"<!--zoo kept \d+-->")
_KEPT: dict[str, str] = {}
_NUMBERS = itertools.count()
#: The script that makes the search wait has to run before the one that starts it.
_THEME = re.compile(r'<script src="([^"]*)assets/javascripts/bundle')
#: How the home page installs the package.
_IN_A_CLONE = "```bash\npip install .\n```\n"
#: The chart bundle brings its own style with it, and is large.
_SCRIPTS_WITHOUT_CLASSES = ("vega.js",)


def on_startup(**_: Any) -> None:
    """Pages are made of millions of small things, nearly all of which are kept: looking for garbage is an eighth of a build."""
    gc.set_threshold(20_000, 20, 20)


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """A question page that names its notebook, below its answer; a home page that says where the repository is."""
    source = DOCS / page.file.src_uri
    if source == DOCS / "index.md":
        return with_repository(markdown, config["repo_url"])
    if source not in notebooks.question_pages():
        return markdown
    answer, heading, rest = markdown.partition("\n## ")
    return f"{answer}\n{notebooks.link(source)}\n{heading}{rest}"


def with_repository(home: str, url: str | None) -> str:
    """The home page with a link to the repository, and with the command that installs from there.

    Args:
        home: The page, in Markdown.
        url: Where the repository is; if nowhere, the page stays as it is.

    Raises:
        ValueError: The page no longer says what is replaced.
    """
    if not url:
        return home
    for plain, linked in (
        ("clone the repository", f"clone [the repository]({url})"),
        (_IN_A_CLONE, f'{_IN_A_CLONE}\nWithout a clone:\n\n```bash\npip install "git+{url}"\n```\n'),
    ):
        if home.count(plain) != 1:
            raise ValueError(f"expected {plain!r} once in docs/index.md, found it {home.count(plain)} times")
        home = home.replace(plain, linked)
    return home


def on_page_content(html: str, **_: Any) -> str:
    """What the search leaves out is kept from it: it would read the numbers of every table and drawing to find that out."""

    def keep(found: re.Match[str]) -> str:
        place = f"<!--zoo kept {next(_NUMBERS)}-->"
        _KEPT[place] = found[0]
        return place

    return _NOT_SEARCHED.sub(keep, html)


def on_post_page(output: str, **_: Any) -> str:
    """A page that loads its search on first use, without blank lines, whose code marks only what is seen.

    Long code in a cell may break, so that a phone shows the columns beside it.
    """
    output = output.replace(_ASKS_THE_HOST, "")
    output = _WAS_KEPT.sub(lambda place: _KEPT.pop(place[0]), output)
    output = _CELL.sub(lambda cell: _CODE.sub(_breakable, cell[0]), output)
    output = _THEME.sub(r'<script src="\1javascripts/on-first-use.js"></script>\g<0>', output)
    for loaded, needed_by in _NEEDED_WHERE:
        if needed_by not in output:
            output = loaded.sub("", output)
    for needless, short in _NEEDLESS:
        output = needless.sub(short, output)
    parts = _AS_IT_IS.split(output)  # text, what is kept, the name of its tag, text ...
    return "".join(
        re.sub(r"\s+", " ", part) if i % 3 == 0 else part for i, part in enumerate(parts) if i % 3 < 2
    )


def on_post_template(output_content: str, **_: Any) -> str:
    """The page that is shown at an unknown address, which is made from no page of the docs."""
    return output_content.replace(_ASKS_THE_HOST, "")


def _breakable(code: re.Match[str]) -> str:
    return _MAY_BREAK.sub(r"\1<wbr>", code[0])


def on_post_build(config: Any, **_: Any) -> None:
    """The notebooks; and the style sheets without the rules that match nothing here."""
    site = Path(config["site_dir"])
    notebooks.write(site, config["site_url"] or "", config["repo_url"] or "")
    known: set[str] = set()
    read: set[str] = set()
    for path in [*site.rglob("*.html"), *site.rglob("*.js")]:
        if path.name not in _SCRIPTS_WITHOUT_CLASSES and "lunr" not in path.parts:
            text = path.read_text(encoding="utf-8")
            known |= purge.words(text)
            read |= purge.variables(text, script=path.suffix == ".js")
    paths = [*site.rglob("stylesheets/*.css"), *site.glob("assets/*.css")]
    styles = {path: purge.purge(path.read_text(encoding="utf-8"), known) for path in paths}
    read |= set().union(*map(purge.variables, styles.values()))
    for path, style in styles.items():
        path.write_text(purge.without_unread(style, read), encoding="utf-8")
