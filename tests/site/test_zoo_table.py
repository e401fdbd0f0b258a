"""The table of all models: complete without scripts; with them it sorts, filters and opens cards."""

import json
from pathlib import Path

import zoo

ROOT = Path(__file__).resolve().parents[2]


def names(page):
    return page.locator("table[data-sortable] tbody tr:not([hidden]) th").all_inner_texts()


def test_without_scripts_every_model_has_a_row_and_a_card(visit):
    page = visit("zoo.html", java_script_enabled=False)
    assert sorted(names(page)) == zoo.list_models()
    assert page.locator("details.zoo-card").count() == len(zoo.list_models())


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
    card = page.locator("#resnet20v2")
    assert not card.locator("dl").is_visible()
    page.get_by_role("link", name="resnet20v2", exact=True).click()
    card.locator("dl").wait_for()
    assert 'zoo.build("resnet20v2")' in card.inner_text()
    assert card.locator("tbody tr").count() > 4
    box = card.locator("svg.zoo-card-drawing").bounding_box()
    assert box["height"] > 100
