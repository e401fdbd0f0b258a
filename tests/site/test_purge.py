"""A style sheet loses what can match nothing, and only that."""

import pytest

from zoo.site.purge import purge, variables, without_unread, words

KNOWN = words(
    '<p dir="ltr" class="here" id="there" data-md-color-accent="lime">made()</p><input id="__tabbed_1_2">'
)


@pytest.mark.parametrize(
    ("css", "kept"),
    [
        (".here{a:b}.gone{a:b}", ".here{a:b}"),
        (".here,.gone>p,#there{a:b}", ".here,#there{a:b}"),
        (".made::before{content:'} .gone{'}", ".made::before{content:'} .gone{'}"),
        (".here:not(.gone){a:b}", ".here:not(.gone){a:b}"),
        ("@media print{.gone{a:b}.here{a:b}}@media print{.gone{a:b}}", "@media print{.here{a:b}}"),
        ("@font-face{src:url(a;b)}@import 'x';.gone{}", "@font-face{src:url(a;b)}@import 'x';"),
        (":root{--icon:url(\"data:image/svg+xml,<svg class='gone'>;}\")}", None),
        (":is(.here,.there){a:b}", None),
        (":is(.here, .gone) p{a:b}", None),
        (".here:where(.gone,.lost){a:b}", ""),
        (".gone:is(.here){a:b}", ""),
        (
            "[data-md-color-accent=lime]{a:b}[data-md-color-accent=red]{a:b}",
            "[data-md-color-accent=lime]{a:b}",
        ),
        ("[dir=ltr] .here{a:b}[dir=rtl] .here{a:b}", "[dir=ltr] .here{a:b}"),
        (".tabbed-set:nth-child(2){a:b}", ""),  # the class is unknown here
        ("/* .here{ */p{a:b}", "p{a:b}"),
    ],
)
def test_rules(css, kept):
    assert purge(css, KNOWN) == (css if kept is None else kept)


def test_a_tab_more_than_any_page_has_goes():
    known = KNOWN | {"tabbed-set"}
    assert (
        purge(".tabbed-set:nth-child(2),.tabbed-set:nth-child(3){a:b}", known)
        == ".tabbed-set:nth-child(2){a:b}"
    )


@pytest.mark.parametrize(
    ("css", "kept"),
    [
        (":root{--read:1;--unread:2;a:b}", ":root{--read:1;a:b}"),
        (':root{--unread:url("a;}b");--read:2}', ":root{--read:2}"),
        (":root{--unread:1}p{a:b}", "p{a:b}"),
        ("@media print{:root{--unread:1;a:b}}", "@media print{:root{a:b}}"),
        ("@keyframes k{from{a:b}to{c:d}}@import 'x';", None),
        ("p{a:var(--unread)}", None),
        (":root{--begun-so:1;--begun:2}", ":root{--begun-so:1}"),
    ],
)
def test_a_variable_that_nothing_reads_goes(css, kept):
    assert without_unread(css, {"--read", "--begun-"}) == (css if kept is None else kept)


def test_a_variable_is_read_by_styles_by_pages_and_by_scripts():
    assert variables("p{--set:1;a:var(--one);b:calc(var( --two, 3px))}") == {"--one", "--two"}
    assert variables('<p style="--set: 1; a: var(--one)">--no') == {"--one"}
    assert variables('style.getPropertyValue("--three")', script=True) == {"--three"}
    assert variables("style.getPropertyValue(`--zoo-${ink}`)", script=True) == {"--zoo-"}
