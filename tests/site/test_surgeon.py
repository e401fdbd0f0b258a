"""The surgeon: its numbers against Keras, its files against its data, and what the reader can click away."""

import itertools
import json
import sys

import keras
import numpy as np
import pytest

from zoo.pretrained import manifest
from zoo.site import from_sites
from zoo.site.place import DOCS
from zoo.transforms import drop_activations

sys.path.insert(0, str(DOCS.parent / "scripts"))
import make_surgeon

CONTENT = json.loads(from_sites.DATA.read_text())
NETS = CONTENT["nets"]
NARROW = {"width": 390, "height": 844}
DEEP = "resnet20v2"
CHEAPEST = NETS[DEEP]["orders"]["affine"]["importance"]


@pytest.fixture(autouse=True)
def clean():
    yield
    keras.backend.clear_session()


@pytest.fixture
def surgeon(visit):
    page = visit("try/surgeon.html")
    page.wait_for_selector("#surgeon.zoo-try-live")
    return page


# --- the data


@pytest.mark.parametrize(
    ("name", "fit", "gone"),
    [
        ("convnet", "affine", [0, 2]),
        ("convnet", "identity", [3]),
        (DEEP, "affine", sorted(CHEAPEST[:3])),
        (DEEP, "identity", [0]),
    ],
)
def test_a_combination_is_what_keras_computes_without_these_activations(name, fit, gone):
    (x_train, _), (x, y) = make_surgeon.images()
    net = NETS[name]
    model = make_surgeon.build(next(shipped for shipped in manifest() if shipped.model == name))
    sites = [net["sites"][i] for i in gone]
    short, _ = drop_activations(model, sites, fit=x_train if fit == "affine" else None)

    def scores(of):
        parts = [of(x[i : i + 250]) for i in range(0, len(x), 250)]
        return np.concatenate([keras.ops.convert_to_numpy(part) for part in parts]).astype("float64")

    before, after = scores(model).argmax(1) == y, scores(short)
    now = after.argmax(1) == y
    lost, won, loss = net["measured"][fit][str(make_surgeon.mask(gone))]
    # One image may lie so close to the border that another processor decides otherwise.
    assert net["whole"][0] == pytest.approx(before.sum(), abs=1)
    assert [lost, won] == pytest.approx([(before & ~now).sum(), (now & ~before).sum()], abs=1)
    assert lost + won > 2 and loss != net["whole"][1]
    expected = -np.log(np.maximum(after[np.arange(len(y)), y], 1e-7)).mean()
    assert loss == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("fit", make_surgeon.FITS)
@pytest.mark.parametrize("name", NETS)
def test_what_the_page_offers_was_measured(name, fit):
    net = NETS[name]
    found, count = net["measured"][fit], len(net["sites"])
    asked = [*itertools.combinations(range(count), 1), *itertools.combinations(range(count), 2)]
    asked += [order[:k] for order in net["orders"][fit].values() for k in range(count + 1)]
    asked += net["wholes"].values()
    assert {str(make_surgeon.mask(sites)) for sites in asked} <= set(found)
    assert found["0"] == [0, 0, net["whole"][1]]
    assert all(sorted(order) == list(range(count)) for order in net["orders"][fit].values())
    ranked = [net["importance"][fit][site] for site in net["orders"][fit]["importance"]]
    assert ranked == sorted(ranked)
    if count <= make_surgeon.ALL:
        assert len(found) == 2**count


def test_what_the_page_says_of_the_data_holds():
    def cost(name, fit, sites):
        lost, won, _ = NETS[name]["measured"][fit][str(make_surgeon.mask(sites))]
        return lost - won  # of 1000 images: tenths of a point

    deep = {fit: [cost(DEEP, fit, [site]) for site in range(len(CHEAPEST))] for fit in make_surgeon.FITS}
    # "Many of them at hardly any cost, the one after the stem most; in a small plain net none."
    assert sum(c < 10 for c in deep["affine"]) >= 8
    assert NETS[DEEP]["sites"][np.argmax(deep["affine"])] == "stem_conv_act"
    assert min(cost("convnet", "affine", [site]) for site in range(4)) > 50
    # "Together they cost more than the sum of what each costs alone."
    for k in (6, 8, 10):
        assert cost(DEEP, "affine", CHEAPEST[:k]) > sum(deep["affine"][site] for site in CHEAPEST[:k])
    # "Nearly every activation costs more" as an identity; before a max-pooling of the plain net less.
    assert sum(a < b for a, b in zip(*deep.values(), strict=True)) >= 17
    for site, dearer in zip(range(4), (True, False, True, False), strict=True):
        assert (cost("convnet", "identity", [site]) > cost("convnet", "affine", [site])) is dearer
    first, second = (NETS[DEEP]["wholes"][f"before {which} convolutions"] for which in ("first", "second"))
    assert cost(DEEP, "affine", second) > cost(DEEP, "affine", first)


def test_a_set_of_sites_is_one_number():
    assert [make_surgeon.mask(sites) for sites in ([], [0], [3, 1], [2, 2])] == [0, 1, 10, 4]


def test_the_drawings_and_tables_are_those_of_the_data():
    for path, content in make_surgeon.made(CONTENT).items():
        assert path.read_text() == content, f"run scripts/make_surgeon.py --draw; {path.name} differs"
    assert from_sites.DATA.stat().st_size < 60_000


@pytest.mark.parametrize(
    ("points", "shade"), [(-0.3, 0), (0.4, 0), (0.5, 1), (1.9, 1), (2, 2), (5, 3), (60, 3)]
)
def test_shades(points, shade):
    assert from_sites.shade(points) == shade


# --- the page's own sums


@pytest.mark.parametrize("right", [0, 500, 935, 1000])
def test_the_interval_is_wilsons(surgeon, right):
    low, high = surgeon.evaluate(f"zooSurgeon.interval({right}, 1000)")
    # Its ends are the shares p from which the observed one is 1.96 standard errors away.
    for p in (low, high):
        assert abs(right / 1000 - p) == pytest.approx(1.96 * np.sqrt(p * (1 - p) / 1000), abs=1e-9)
    assert low <= right / 1000 <= high


def test_the_nearest_combinations_differ_in_the_fewest_activations(surgeon):
    masks = [int(m) for m in NETS[DEEP]["measured"]["affine"]]
    for gone in (0b1011, 0b1110000000000000111, 1):
        seen = surgeon.evaluate(f"zooSurgeon.nearest('{DEEP}', 'affine', {gone})")
        least = min((m ^ gone).bit_count() for m in masks)
        assert seen and {(m ^ gone).bit_count() for m in seen} == {least}
        assert set(seen) <= set(masks)
        assert (seen == [gone]) is (gone in masks)


@pytest.mark.parametrize(
    ("lost", "won", "chance"), [(0, 0, True), (3, 0, True), (4, 0, False), (30, 15, False), (25, 20, True)]
)
def test_what_chance_does(surgeon, lost, won, chance):
    assert surgeon.evaluate(f"zooSurgeon.chance({lost}, {won})") is chance


# --- the reader


def mark(name, site):
    return f"[aria-label^='Activations of {name}'] [data-site='{site}']"


def shown(page):
    return {
        key: page.get_attribute("#surgeon-status", f"data-{key}") for key in ("measured", "gone", "right")
    }


def right(name, fit, gone):
    lost, won, _ = NETS[name]["measured"][fit][str(gone)]
    return str(NETS[name]["whole"][0] - lost + won)


def test_an_activation_is_clicked_away_and_comes_back(surgeon):
    assert shown(surgeon) == {"measured": "yes", "gone": "0", "right": right(DEEP, "affine", 0)}
    first, second = CHEAPEST[0], CHEAPEST[-1]
    surgeon.click(mark(DEEP, first))
    assert shown(surgeon)["right"] == right(DEEP, "affine", 1 << first)
    assert surgeon.get_attribute(mark(DEEP, first), "aria-pressed") == "true"
    assert NETS[DEEP]["sites"][first] in surgeon.inner_text("#surgeon-status")
    surgeon.click(mark(DEEP, second))
    both = 1 << first | 1 << second
    assert shown(surgeon) == {"measured": "yes", "gone": str(both), "right": right(DEEP, "affine", both)}
    surgeon.select_option("#surgeon-fit", "identity")
    assert shown(surgeon)["right"] == right(DEEP, "identity", both)
    assert NETS[DEEP]["sites"][second] in surgeon.inner_text("#surgeon-code")
    surgeon.click(mark(DEEP, first))
    assert shown(surgeon)["gone"] == str(1 << second)
    surgeon.click("#surgeon-reset")
    assert shown(surgeon)["gone"] == "0"
    surgeon.select_option("#surgeon-net", "convnet")
    surgeon.click(mark("convnet", 1))
    assert shown(surgeon)["right"] == right("convnet", "identity", 2)


def test_what_was_not_measured_has_no_number_and_a_way_to_what_was(surgeon):
    gone = CHEAPEST[-1:-4:-1]  # the three dearest, without those between: the order reversed begins with them
    gone = [gone[0], gone[2], CHEAPEST[8]]
    assert str(make_surgeon.mask(gone)) not in NETS[DEEP]["measured"]["affine"]
    for site in gone:
        surgeon.click(mark(DEEP, site))
    assert shown(surgeon) == {"measured": "no", "gone": str(make_surgeon.mask(gone)), "right": ""}
    words = surgeon.inner_text("#surgeon-status")
    assert "not measured" in words and "%" not in words
    assert surgeon.locator("#surgeon .zoo-s-here").count() == 0
    offers = surgeon.locator("#surgeon-offers button")
    assert offers.count() == 3
    said = offers.first.inner_text()
    offers.first.click()
    now = shown(surgeon)
    assert now["measured"] == "yes"
    assert f"{int(now['right']) / 10:.1f} %" in said


def test_the_slider_goes_through_measured_combinations_alone(surgeon):
    surgeon.focus("#surgeon-count")
    for k in range(1, 4):
        surgeon.keyboard.press("ArrowRight")
        assert shown(surgeon)["gone"] == str(make_surgeon.mask(CHEAPEST[:k]))
    surgeon.keyboard.press("End")
    everything = (1 << len(CHEAPEST)) - 1
    assert shown(surgeon) == {
        "measured": "yes",
        "gone": str(everything),
        "right": right(DEEP, "affine", everything),
    }
    surgeon.select_option("#surgeon-order", "reverse")
    surgeon.keyboard.press("Home")
    surgeon.focus("#surgeon-count")
    surgeon.keyboard.press("Home")
    surgeon.keyboard.press("ArrowRight")
    assert shown(surgeon)["gone"] == str(1 << CHEAPEST[-1])
    surgeon.get_by_role("button", name="stage 2", exact=True).click()
    assert shown(surgeon)["gone"] == str(make_surgeon.mask(NETS[DEEP]["wholes"]["stage 2"]))


def test_the_marks_are_one_tab_stop_and_arrows_move_between_them(surgeon):
    assert surgeon.locator(f"[aria-label^='Activations of {DEEP}'] [tabindex='0']").count() == 1
    surgeon.focus(mark(DEEP, 0))
    surgeon.keyboard.press("Space")
    assert shown(surgeon)["gone"] == "1"
    surgeon.keyboard.press("ArrowRight")
    surgeon.keyboard.press("ArrowDown")
    surgeon.keyboard.press("Enter")
    assert shown(surgeon)["gone"] == "5"
    assert surgeon.get_attribute(mark(DEEP, 2), "aria-pressed") == "true"
    surgeon.keyboard.press("ArrowLeft")
    assert surgeon.evaluate("document.activeElement.dataset.site") == "1"
    surgeon.keyboard.press("End")
    assert surgeon.evaluate("document.activeElement.dataset.site") == str(len(CHEAPEST) - 1)
    assert surgeon.locator(f"[aria-label^='Activations of {DEEP}'] [tabindex='0']").count() == 1
    surgeon.keyboard.press("ArrowRight")
    assert surgeon.evaluate("document.activeElement.dataset.site") == str(len(CHEAPEST) - 1)
    assert surgeon.get_attribute("#surgeon-status", "role") == "status"


def test_on_a_phone_the_answer_and_the_mark_are_on_the_screen_together(browser, address):
    context = browser.new_context(viewport=NARROW, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{address}/try/surgeon.html")
    for site in (0, len(CHEAPEST) - 1):
        # Where the reader has scrolled past the place at which the answer was laid out.
        page.locator(mark(DEEP, site)).evaluate(
            "it => it.scrollIntoView({ block: 'center', behavior: 'instant' })"
        )
        page.tap(mark(DEEP, site))
        header = page.evaluate("document.querySelector('.md-header').getBoundingClientRect().bottom")
        answer, tapped = (page.locator(at).bounding_box() for at in ("#surgeon-status", mark(DEEP, site)))
        assert header <= answer["y"] and answer["y"] + answer["height"] <= tapped["y"]
        assert tapped["y"] + tapped["height"] <= NARROW["height"]
        assert min(tapped["width"], tapped["height"]) >= 24
    assert shown(page)["gone"] == str(1 | 1 << len(CHEAPEST) - 1)
    context.close()
