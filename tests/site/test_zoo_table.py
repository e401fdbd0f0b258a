"""The table of all models: complete without scripts; with them it sorts, filters and opens cards."""

import json
import re
from pathlib import Path

import pytest

import zoo
from zoo.site import catalog_cards

ROOT = Path(__file__).resolve().parents[2]


def names(page):
    return page.locator("table[data-sortable] tbody tr:not([hidden]) th").all_inner_texts()


def test_without_scripts_every_model_has_a_row_that_links_to_its_card(site, visit):
    page = visit("zoo.html", java_script_enabled=False)
    assert sorted(names(page)) == zoo.list_models()
    for name in zoo.list_models():
        where, _, anchor = page.locator(f'[id="{name}"] th a').get_attribute("href").partition("#")
        assert anchor == name
        assert f'<details class="zoo-card" id="{name}">' in (site.folder / where).read_text()


def test_every_model_has_one_card(site):
    pages = "".join((site.folder / f"models/{kind}.html").read_text() for kind in catalog_cards.KINDS)
    assert pages.count('<details class="zoo-card"') == len(zoo.list_models())


def test_a_drawing_that_a_card_refers_to_is_on_its_page(site):
    for kind in catalog_cards.KINDS:
        page = (site.folder / f"models/{kind}.html").read_text()
        shown = set(re.findall(r'<use href="#([^"]+)"', page))
        assert shown == set(re.findall(r'<symbol id="([^"]+)"', page)) and shown


def test_an_unknown_kind_of_nets_is_refused():
    with pytest.raises(ValueError, match=r"one of plain, residual, families; got 'resnet'"):
        catalog_cards.cards("resnet")


def test_sorts_by_number_and_back(visit):
    page = visit("zoo.html")
    button = page.get_by_role("button", name="parameters")
    button.focus()
    page.keyboard.press("Enter")
    models = json.loads((ROOT / "docs/data/zoo_table.json").read_text())
    largest = max(models, key=lambda model: model["parameters"])["name"]
    assert names(page)[-1] == largest
    page.keyboard.press("Enter")
    assert names(page)[0] == largest
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("parameters")


def test_filters_by_name_family_and_placement(visit):
    page = visit("zoo.html")
    page.get_by_label("Name contains").fill("110")
    assert sorted(names(page)) == ["plain110", "resnet110", "resnet110v2"]
    page.get_by_label("Family").select_option("resnet")
    page.get_by_label("Placement").select_option("full_pre_activation")
    assert names(page) == ["resnet110v2"]
    assert page.locator(".zoo-filter output").inner_text() == f"1 of {len(zoo.list_models())} shown"


def test_a_row_opens_its_card(visit):
    page = visit("zoo.html")
    page.get_by_role("link", name="resnet20v2", exact=True).click()
    page.wait_for_url("**/models/residual.html#resnet20v2")
    card = page.locator("#resnet20v2")
    card.locator("dl").wait_for()
    assert not page.locator("#resnet20 dl").is_visible()
    assert 'zoo.build("resnet20v2")' in card.inner_text()
    assert card.locator("tbody tr").count() > 4
    box = card.locator("svg.zoo-card-drawing").bounding_box()
    assert box["height"] > 100
