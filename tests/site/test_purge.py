"""A style sheet loses what can match nothing, and only that."""

import pytest

from zoo.site.purge import purge, words

KNOWN = words('<p class="here" id="there" data-md-color-accent="lime">made()</p><input id="__tabbed_1_2">')


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
        (
            "[data-md-color-accent=lime]{a:b}[data-md-color-accent=red]{a:b}",
            "[data-md-color-accent=lime]{a:b}",
        ),
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
