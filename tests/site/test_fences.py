"""What the fences of the pages render, and that a misspelt name is an error."""

import dataclasses
import json
import re
from html import unescape

import markdown
import pytest
from pymdownx.superfences import SuperFencesException

from zoo.catalog import specify
from zoo.experiments.claims.scales import Judged, Scales, Twins
from zoo.experiments.publishing.differences import Runs, paired_difference
from zoo.experiments.publishing.waiting import Waiting
from zoo.site import (
    catalog_cards,
    catalog_tables,
    charts,
    diagrams,
    docstrings,
    fences,
    maths,
    measured,
    place,
    scales,
    svg,
    tables,
)
from zoo.site.place import DOCS

DATA = {
    "name": "why",
    "command": "scripts/reproduce.py run why",
    "cost": "4 runs, 1 min of one core",
    "checksum": "ab" * 32,
    "environment": {"keras": "3.15.1"},
    "table": [
        {
            "arm": a,
            "metric": m,
            "mean": 0.5,
            "iqm": 0.5,
            "low": 0.4,
            "high": 0.6,
            "runs": 5 - d,
            "diverged": d,
        }
        | {"trained": 5 - d, "of": 5, "success_low": 0.4, "success_high": 1.0}
        for a, d in (("none", 1), ("all", 0))
        for m in ("train_loss", "test_accuracy")
    ],
    "comparisons": [
        {"a": "all", "b": "none", "metric": "test_accuracy", "difference": 0.1, "low": 0.05, "high": None}
        | {"runs": 5, "verdict": "higher"}
    ],
    "arms": [
        {
            "label": a,
            "layers": 7,
            "parameters": 1234,
            "learning_rate": 0.1,
            "graph": "12" * 9,
            "data": "34" * 9,
        }
        | {"grid": [{"rate": 0.1, "seed": 1000, "train_loss": 0.25}]}
        for a in ("none", "all")
    ],
    "spec": {"figures": [{"kind": "table", "name": "sums", "title": "Sums"}]},
    "sums": [{"arm": "none", "layers": 7}],
}
SPEC = {
    "title": {"text": ["Accuracy", "of both"]},
    "description": "What is seen.",
    "data": {
        "values": [{"arm": "none", "x": 1, "y": 0.5, "l": 0.4, "h": 0.6, "s": None}, {"x": 1, "y": 2, "s": 0}]
    },
}
SVG = '<svg class="marks" width="100" height="50" role="img"><clipPath id="clip0"/><g clip-path="url(#clip0)"></g></svg>'


@pytest.fixture
def docs(tmp_path, monkeypatch):
    """A docs folder in which `why` is published and nothing else is."""
    for folder in ("data", "figures", "diagrams"):
        (tmp_path / folder).mkdir()
    (tmp_path / "data/why.json").write_text(json.dumps(DATA))
    (tmp_path / "data/why.csv").write_text("arm,seed\nnone,0\n")
    (tmp_path / "figures/why.svg").write_text(SVG)
    (tmp_path / "figures/why.vl.json").write_text(json.dumps(SPEC))
    for module in (charts, diagrams, tables):
        monkeypatch.setattr(module, "DOCS", tmp_path)
    return tmp_path


@pytest.fixture
def md():
    return markdown.Markdown()


def render(fence, source, md):
    return fence(source, fence.__name__, "", {}, md)


FENCES = (fences.chart, fences.results, fences.paper, fences.reproduce, fences.proof, fences.diagram)


@pytest.mark.parametrize("fence", FENCES, ids=lambda f: f.__name__)
def test_a_misspelt_name_stops_the_build_and_names_the_known_ones(fence, docs, md):
    with pytest.raises(
        SuperFencesException, match=r"(unknown experiment|no diagram named) 'depht'.*expected one of"
    ):
        render(fence, "depht", md)


def test_a_misspelt_option_stops_the_build(docs, md):
    with pytest.raises(SuperFencesException, match="expected 'caption: TEXT'"):
        render(fences.chart, "why\ncapton: x", md)


@pytest.mark.parametrize("fence", [fences.chart, fences.results, fences.proof], ids=lambda f: f.__name__)
def test_what_is_not_published_says_so(fence, docs, md):
    shown = render(fence, "ordering", md)
    assert "Not yet measured here" in shown
    assert "scripts/reproduce.py run ordering" in shown


def test_the_paper_is_shown_once_a_page_and_as_the_papers(docs, md):
    first = render(fences.results, "ordering", md)
    assert first.count("<caption><span>Reported by others, not measured here") == 1
    assert "<td>6.37</td>" in first
    assert "Reported by others" not in render(fences.paper, "ordering", md)
    assert "Reported by others" in render(fences.paper, "ordering", markdown.Markdown())


def test_results_show_the_main_metric_first_and_a_dash_for_no_number(docs, md):
    shown = render(fences.results, "why", md)
    assert shown.index("Test accuracy") < shown.index("The other metrics") < shown.index("train loss")
    assert "+5.00 to –" in shown
    assert "4 of 5" in shown and "5 of 5" in shown
    assert "rate 0.1" in shown and "0.25" in shown  # the tuning run and its loss


def test_the_grid_is_an_arm_a_row_and_a_rate_a_column(docs, md):
    tried = [{"rate": r, "seed": s, "train_loss": loss} for r, losses in ((0.1, (0.2, 0.4)), (1.0, (0.1, None)))
             for s, loss in enumerate(losses)]  # fmt: skip
    (docs / "data/why.json").write_text(json.dumps(dict(DATA, arms=[DATA["arms"][0] | {"grid": tried}])))
    shown = render(fences.results, "why", md)
    assert "<td>0.3</td><td>diverged</td><td>0.1</td></tr>" in shown and "2 runs per rate" in shown


def test_the_other_metrics_are_a_column_each(docs, md):
    rows = [DATA["table"][0] | {"arm": a, "metric": m, "mean": mean} for a, m, mean in
            (("one", "test_accuracy", 0.5), ("one", "train_loss", 1.5), ("two", "growth", 2.5))]  # fmt: skip
    (docs / "data/why.json").write_text(json.dumps(dict(DATA, table=rows)))
    shown = render(fences.results, "why", md)
    assert '<th scope="row">one</th><td>1.5 (0.4 to 0.6)</td><td>–</td>' in shown
    assert '<th scope="row">two</th><td>–</td><td>2.5 (0.4 to 0.6)</td>' in shown


@pytest.mark.parametrize(
    ("metric", "mean", "low", "high", "shown"),
    [
        ("equal_to_the_bit", 1.0, 1.0, 1.0, "yes"),
        ("same_graph_as_keras", 0.0, 0.0, 0.0, "no"),
        ("layers", 28.0, 28.0, 28.0, "28"),
        ("dead_units", None, None, None, "–"),
        ("merged", 0.6, 0.4, 0.8, "0.6 (0.4 to 0.8)"),
    ],
)
def test_another_metric_is_a_word_or_a_number_alone_where_all_runs_agree(
    docs, md, metric, mean, low, high, shown
):
    main = DATA["table"][1]
    row = {
        "arm": main["arm"],
        "metric": metric,
        "mean": mean,
        "iqm": mean,
        "low": low,
        "high": high,
        "runs": 3,
    }
    (docs / "data/why.json").write_text(json.dumps(dict(DATA, table=[main, row])))
    table = render(fences.results, "why", md).partition("The other metrics")[2]
    assert f"<td>{shown}</td></tr>" in table
    assert "trained" not in table.partition("</table>")[0]  # these were measured, not trained


def test_the_table_of_a_chart_names_the_horizontal_axis():
    drawn = {"data": {"values": [{"arm": "a", "x": 1, "y": 0.5}]}}
    mark = {"encoding": {"x": {"field": "x", "title": ["training", "step"]}}}
    assert '<th scope="col">training step</th>' in charts._rows(
        {**drawn, "layer": [{"mark": "rule"}, mark]}, "T"
    )
    assert '<th scope="col">x</th>' in charts._rows({**drawn, **{"encoding": {"x": {"field": "l"}}}}, "T")


def test_proof_shows_the_arms_and_the_experiments_own_tables(docs, md):
    shown = render(fences.proof, "why", md)
    assert "Sums" in shown
    assert "1,234" in shown
    assert "12121212<" in shown


def test_reproduce_names_command_cost_and_checksum(docs, md):
    shown = render(fences.reproduce, "why", md)
    for words in ("scripts/reproduce.py run why --quick", "4 runs, 1 min", "ab" * 32, 'href="data/why.csv"'):
        assert words in shown


def test_a_chart_has_title_description_table_and_links(docs, md):
    shown = render(fences.chart, "why\ncaption: Five <seeds>", md)
    for words in (
        'data-spec="figures/why.vl.json"',
        '<title id="chart-why-t">Accuracy of both</title>',
        '<desc id="chart-why-d">What is seen.</desc>',
        "Five &lt;seeds&gt;",
        'href="data/why.csv" download',
        "The same as a table",
    ):
        assert words in shown
    assert shown.count("<tr>") == 2  # the head and the one mean, not the seed


def test_ids_of_two_drawings_do_not_clash():
    one, other = (svg.inline(SVG, name, "t", "d") for name in ("one", "other"))
    assert 'id="one-clip0"' in one and "url(#one-clip0)" in one and "clip0" in other
    assert "one-" not in other


def test_table_cells_are_escaped():
    assert "<b>" not in tables.table(["a"], [["<b>"]], "<b>")


@pytest.mark.parametrize(
    ("text", "formulas"),
    [("so $y = W_2 x$ holds", 1), ("$5 and $6", 0), ("`$x$`", 0), (r"\$x$", 0), ("$a$ and $b$.", 2)],
)
def test_dollars_are_formulas_where_they_look_like_it(text, formulas):
    assert markdown.markdown(text, extensions=[maths.Dollars()]).count("<math") == formulas


def test_example_becomes_a_section():
    import griffe

    with griffe.temporary_visited_module('"""One.\n\nExample:\n    >>> 1\n    1\n"""') as module:
        docstrings.ExampleSections().on_object(obj=module)
        sections = griffe.Docstring(module.docstring.value, parser="google").parse()
    assert [section.kind.value for section in sections] == ["text", "examples"]


def test_the_zoo_table_shows_what_was_measured(monkeypatch):
    times = measured.milliseconds()
    models = json.loads((DOCS / "data/zoo_table.json").read_text())
    assert set(times) == {model["name"] for model in models}
    html = catalog_tables.table()
    timed = len(re.findall(r"<td[^>]*>\d[\d.]*</td>", html))
    with monkeypatch.context() as patch:
        patch.setattr(measured, "milliseconds", lambda: {"convnet": times["convnet"]})
        assert timed - len(re.findall(r"<td[^>]*>\d[\d.]*</td>", catalog_tables.table())) == len(times) - 1
    for name in ("convnet", "resnet50v2", "resnet1202"):
        row = re.search(rf'<tr id="{name}">.*?</tr>', html)[0]
        assert f">{float(f'{times[name]:.3g}'):g}</td>" in row
    cards = "".join(map(catalog_cards.cards, catalog_cards.KINDS))
    assert cards.count('<figure class="zoo-card-curve">') == len(measured.trained())
    for name, about in measured.trained().items():
        tested = [row for row in about["curve"] if row[0] == "test_accuracy"]
        assert measured.curve(name).count("<circle") == len(tested) > 1
        assert f"{100 * about['test_accuracy']:.1f} % at the end" in measured.curve(name)


@pytest.mark.parametrize("name", measured.trained())
def test_a_curve_says_how_its_weights_are_loaded_and_for_what_size_they_are(name):
    said = unescape(re.sub("<[^>]+>", "", measured.curve(name)))
    weights = measured.trained()[name]["dataset"]
    assert f'zoo.build("{name}", weights="{weights}") loads them: ' in said
    spec = specify(name, weights=weights)
    assert f"input {' × '.join(map(str, spec.input_shape))}" in said
    assert "width" not in said or f"width {spec.width}." in said


def test_long_tables_are_closed_and_short_ones_open(docs, md):
    many = dict(DATA, comparisons=DATA["comparisons"] * (tables.LONGEST + 1))
    many["comparisons"] = [dict(pair, runs=number) for number, pair in enumerate(many["comparisons"])]
    (docs / "data/why.json").write_text(json.dumps(many))
    shown = render(fences.results, "why", md)
    assert f"<summary>The {tables.LONGEST + 1} paired differences</summary>" in shown
    (docs / "data/why.json").write_text(json.dumps(DATA))
    few = render(fences.results, "why", md)
    assert "paired differences</summary>" not in few and "arms</summary>" not in few
    row = DATA["table"][0] | {"metric": "test_accuracy"}
    many = dict(DATA, table=[row | {"arm": f"arm {i}"} for i in range(tables.LONGEST + 1)])
    (docs / "data/why.json").write_text(json.dumps(many))
    closed = re.search(r"<details.*?</details>", render(fences.results, "why", md))[0]
    assert (
        f"<summary>Test accuracy of the {tables.LONGEST + 1} arms</summary>" in closed and "arm 3" in closed
    )


def test_a_wide_table_stands_upright(docs, md):
    wide = {"arm": "a convolution", **{f"quantity {i}": float(i) for i in range(tables.WIDEST)}}
    (docs / "data/why.json").write_text(json.dumps(dict(DATA, sums=[wide])))
    shown = render(fences.proof, "why", md)
    assert '<th scope="row">quantity 3</th><td>3</td>' in shown and 'class="zoo-rows zoo-n1"' in shown


def test_a_formula_of_its_own_is_read_in_docstrings():
    html = markdown.markdown(
        "Text\n\n$$a = b_1, \\qquad\n  c = b_2$$\n\nmore $x$", extensions=[maths.Dollars()]
    )
    assert "$" not in html
    # The two formulas stand apart, so that a narrow screen shows one below the other.
    assert html.count("<math") == 3 and html.count('class="zoo-math"') == 2


def test_a_question_is_answered_in_words_and_a_number_stays_one(docs, md):
    rows = [
        {"arm": a, "equal to the bit": e, "largest difference": e} for a, e in (("max", 1.0), ("mean", 0.0))
    ]
    (docs / "data/why.json").write_text(json.dumps(dict(DATA, sums=rows)))
    shown = render(fences.proof, "why", md)
    assert '<th scope="row">max</th><td>yes</td><td>1</td>' in shown
    assert '<th scope="row">mean</th><td>no</td><td>0</td>' in shown


def test_runs_that_failed_are_a_rate_of_success_beside_the_mean(docs, md):
    row = DATA["table"][0] | {"metric": "test_accuracy", "arm": "none", "mean": 0.725, "runs": 4}
    row |= {"trained": 4, "of": 5, "success_low": 0.2836, "success_high": 0.9949}
    (docs / "data/why.json").write_text(json.dumps(dict(DATA, table=[row])))
    shown = render(fences.results, "why", md)
    assert "mean of runs that trained" in shown and "72.50 %" in shown
    assert "4 of 5" in shown and "28 to 99 %" in shown
    whole = row | {"trained": 5, "runs": 5}
    (docs / "data/why.json").write_text(json.dumps(dict(DATA, table=[whole])))
    assert "rate of success" not in render(fences.results, "why", md)


def test_a_difference_has_points_both_p_and_its_bootstrap_interval(docs, md):
    pair = {
        "a": "all",
        "b": "none",
        "metric": "test_accuracy",
        "difference": 0.0052,
        "low": -0.0017,
        "high": 0.0121,
    }
    pair |= {
        "runs": 5,
        "p": 0.1049,
        "holm": 0.63,
        "bootstrap": [0.002, 0.0102],
        "verdict": "no difference detected",
    }
    (docs / "data/why.json").write_text(json.dumps(dict(DATA, comparisons=[pair])))
    shown = render(fences.results, "why", md)
    for words in ("+0.52 points<br>−0.17 to +1.21<br>bootstrap +0.20 to +1.02<", "0.1<", "0.63<"):
        assert words in shown
    lost = pair | {"p": 1e-7, "holm": None}
    (docs / "data/why.json").write_text(json.dumps(dict(DATA, comparisons=[lost])))
    assert "&lt; 0.0001" in render(fences.results, "why", md)


def test_no_interval_is_one_dash(docs, md):
    pair = dict(DATA["comparisons"][0], difference=None, low=None, high=None)
    (docs / "data/why.json").write_text(json.dumps(dict(DATA, comparisons=[pair])))
    shown = render(fences.results, "why", md)
    assert "– to –" not in shown
    assert shown.count("<td>–</td>") == 3  # difference with its interval, both p


def test_the_rows_of_a_chart_are_the_same_places_of_each_curve():
    drawn = [{"arm": a, "x": x, "y": 0.5} for a in ("one", "two", "three") for x in range(1, 41)]
    shown = charts._sampled(drawn)
    places = {a: [row["x"] for row in shown if row["arm"] == a] for a in ("one", "two", "three")}
    assert places["one"] == places["two"] == places["three"]
    assert (places["one"][0], places["one"][-1], len(shown)) == (1, 40, 30)
    # A curve with places of its own keeps its nearest ones.
    other = charts._sampled([*drawn, {"arm": "four", "x": 17.5, "y": 1.0}])
    assert [row["x"] for row in other if row["arm"] == "four"] == [17.5]
    assert charts._sampled(drawn[:5]) == drawn[:5]


def test_photographs_are_shown_as_soon_as_they_are_published_and_not_before(docs, md, monkeypatch):
    monkeypatch.setattr(place, "DOCS", docs)
    assert render(fences.photographs, "why", md) == ""
    for part in ("", "-training", "-last"):
        (docs / f"figures/why_photographs{part}.svg").write_text(SVG)
    (docs / "data/why_photographs.json").write_text(json.dumps(DATA))
    shown = render(fences.photographs, "why", md)
    assert '<h3 id="why_photographs">On photographs: Is an activation needed' in shown
    assert shown.count('<figure class="zoo-chart"') == 3 and "Test accuracy, measured here" in shown
    assert "Not yet measured" not in shown and 'aria-label="Reproduce why_photographs"' in shown
    assert f"<figcaption>{scales._LEGEND['dots']} " in shown
    less = render(fences.photographs, "why\nwhy_photographs: left out", md)
    assert less.count("<figure") == shown.count("<figure") - 1 and less.count("<figure") >= 2
    said = render(fences.photographs, "why\nwhy_photographs-last: Look: here.", md)
    assert "<figcaption>Look: here. " in said
    with pytest.raises(
        SuperFencesException, match=r"no figure 'why_last' on photographs; expected one of why_ph"
    ):
        render(fences.photographs, "why\nwhy_last: Here.", md)
    table = scales.in_tables("why\nwhy_photographs-last: Look: here.", md)
    assert "<figure" not in table and "Test accuracy, measured here" in table
    # Only what the study has on photographs: its first experiment has fences of its own.
    assert 'id="chart-why"' not in shown
    with pytest.raises(SuperFencesException, match=r"unknown study 'wy'; expected one of .*why"):
        render(fences.photographs, "wy", md)


def test_both_scales_stand_side_by_side_with_what_flips_counted(docs, md, monkeypatch):
    better, worse = (
        paired_difference(
            Runs(values=dict(enumerate(values))), Runs(values=dict.fromkeys(range(3), 0.5)), "test_accuracy"
        )
        for values in ((0.6, 0.61, 0.62), (0.4, 0.41, 0.42))
    )
    names = {"study": "which", "names": ("which", "which_large"), "metric": "test_accuracy"}
    flip, same = (
        Twins(first=first, second="relu", small=better, full=full, **names)
        for first, full in (("elu", worse), ("gelu", better))
    )
    claim = Judged(
        study="which", sentence="So it is.", small="holds here", full="does not hold here", flips=True
    )
    found = Scales(twins=(flip, same), judged=(claim,), waiting=7)
    monkeypatch.setattr(scales, "both_scales", lambda *_: found)
    shown = render(fences.side_by_side, "", md)
    assert "2 differences measured at both scales, 1 of which flips; 7 more are planned" in shown
    for words in (
        "elu − relu",
        "+11 points",
        "−9 points",
        "<td>flips</td>",
        "<td>the same sign</td>",
        "So it is.",
    ):
        assert words in shown
    monkeypatch.setattr(scales, "both_scales", lambda *_: Scales(twins=(), judged=(), waiting=7))
    assert render(fences.side_by_side, "", md) == (
        "<p>No difference is measured at both scales yet; 7 are planned.</p>"
    )


def test_what_is_still_to_be_run_adds_up(docs, md, monkeypatch):
    one, other = (
        Waiting(name=name, question="Why?", runs=3, shared=1, minutes=minutes)
        for name, minutes in (("first", 50.0), ("second", 40.0))
    )
    monkeypatch.setattr(scales, "waiting", lambda *_: [one, other])
    shown = render(fences.to_be_run, "", md)
    assert (
        shown.index("first") < shown.index("second") and "1 h 30 min" in shown and "published)" not in shown
    )
    part = dataclasses.replace(one, published=3, seeds=5)
    monkeypatch.setattr(scales, "waiting", lambda *_: [part])
    assert "<td>Why? (3 of 5 seeds are published)</td>" in render(fences.to_be_run, "", md)
    monkeypatch.setattr(scales, "waiting", lambda *_: [])
    assert render(fences.to_be_run, "", md) == "<p>Everything that is specified is published.</p>"


def test_the_table_of_a_chart_has_bars_and_means_and_no_words_of_the_drawing():
    drawn = [
        {"arm": "zoo", "p": "mlp", "y": 1.25},
        {"arm": "zoo", "y": 0.1, "t": "1 of 5 at chance", "a": -1},
    ]
    shown = charts._rows({"data": {"values": drawn}}, "Speed")
    assert shown.count("<tr>") == 2 and "1.25" in shown and "chance" not in shown


def test_a_chart_taller_than_wide_has_more_room_on_paper(docs, md):
    assert 'class="zoo-chart-static">' in render(fences.chart, "why", md)
    (docs / "figures/why.svg").write_text(SVG.replace('height="50"', 'height="150"'))
    assert 'class="zoo-chart-static zoo-tall">' in render(fences.chart, "why", md)
