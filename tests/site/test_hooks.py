"""What the build does to a page, without a build."""

from types import SimpleNamespace

import pytest
from mkdocs.config import load_config

from zoo.site import hooks, tables
from zoo.site.place import DOCS


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("Loss(from_logits=True)", "Loss(<wbr>from_<wbr>logits=<wbr>True)"),
        ("SparseCategoricalCrossentropy()", "Sparse<wbr>Categorical<wbr>Crossentropy()"),
        ("scripts/reproduce.py run form", "scripts/reproduce.py run form"),
        ("f(a=1)", "f(a=1)"),  # short enough
    ],
)
def test_long_code_in_a_cell_may_go_on_in_the_next_line(code, shown):
    page = f"<p><code>{code}</code></p><table><tr><td>a <code>{code}</code></td><td>b</td></tr></table>"
    after = hooks.on_post_page(page)
    assert f"<td>a <code>{shown}</code>" in after and f"<p><code>{code}</code></p>" in after


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (
            '<span class="n"><a class="autorefs autorefs-internal" title="          Model (zoo.Model)" href="#m">Model</a></span>',
            '<a class="autorefs" href="#m">Model</a>',
        ),
        (
            '<span class="n"><span title="keras.Model">Model</span></span>',
            '<span title="keras.Model">Model</span>',
        ),
        ("<pre><span></span><code>x</code></pre>", "<pre><code>x</code></pre>"),
    ],
)
def test_signatures_carry_nothing_that_is_not_seen(written, shown):
    assert hooks.on_post_page(written) == shown


def test_what_only_charts_and_the_reference_need_is_loaded_by_those():
    style = '<link rel="stylesheet" href="../assets/_mkdocstrings.css">'
    script = '<script src="../javascripts/charts.js" defer></script>'
    chart, reference = '<figure data-spec="a.vl.json"></figure>', '<div class="doc doc-object"></div>'
    assert hooks.on_post_page(style + script) == ""
    assert hooks.on_post_page(style + script + chart) == script + chart
    assert hooks.on_post_page(style + script + reference) == style + reference


@pytest.mark.parametrize(
    "kept",
    [
        tables.table(["net", "error"], [["plain", 0.25]], "errors"),
        '<svg viewBox="0 0 9 9"><text>0.25</text></svg>',
    ],
    ids=["table", "drawing"],
)
def test_numbers_are_kept_from_the_search_and_not_from_the_page(kept):
    page = f"<p>before</p>{kept}<p>between</p>{kept}<p>after</p>"
    searched = hooks.on_page_content(page)
    assert "0.25" not in searched and all(word in searched for word in ("before", "between", "after"))
    assert hooks.on_post_page(searched) == hooks.on_post_page(page)


def test_what_readers_look_for_in_a_table_stays_in_the_search():
    page = '<div class="zoo-table" tabindex="0"><table><tr><td>resnet20</td></tr></table></div>'
    assert hooks.on_page_content(page) == page


def test_the_home_page_installs_from_the_repository_where_there_is_one():
    home = (DOCS / "index.md").read_text(encoding="utf-8")
    assert "git+" not in home and hooks.with_repository(home, "") == hooks.with_repository(home, None) == home
    url = "https://example.org/someone/zoo"
    shown = hooks.with_repository(home, url)
    assert f"[the repository]({url})" in shown
    assert (
        f'```bash\npip install .\n```\n\nWithout a clone:\n\n```bash\npip install "git+{url}"\n```\n\n'
        in shown
    )
    with pytest.raises(ValueError, match="expected 'clone the repository' once"):
        hooks.with_repository("# Another page", url)


@pytest.mark.parametrize("url", [None, "", "https://github.com/someone/zoo"])
def test_the_address_of_the_repository_is_taken_from_the_environment(url, monkeypatch):
    if url is None:
        monkeypatch.delenv("REPO_URL", raising=False)
    else:
        monkeypatch.setenv("REPO_URL", url)
    config = load_config(str(DOCS.parent / "mkdocs.yml"))
    assert (config.repo_url or "") == (url or "") and not config.edit_uri  # no page offers to be edited
    home = hooks.on_page_markdown(
        (DOCS / "index.md").read_text(encoding="utf-8"),
        page=SimpleNamespace(file=SimpleNamespace(src_uri="index.md")),
        config=config,
    )
    assert (f'pip install "git+{url}"' in home) == bool(url)


def test_the_link_to_the_repository_asks_no_other_machine():
    link = '<a href="https://github.com/someone/zoo" title="Go to repository" class="md-source"'
    made = f'{link} data-md-component="source">GitHub</a>'
    assert hooks.on_post_page(made) == f"{link}>GitHub</a>"
    assert hooks.on_post_template(made, template_name="404.html") == f"{link}>GitHub</a>"
