"""A question stands in one place: its file in `zoo/studies` and its page."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.experiments import toys
from zoo.experiments.claims.page import claims_page
from zoo.experiments.design.experiment import Dataset
from zoo.experiments.design.registry import Registry, UnknownExperimentError
from zoo.experiments.design.study import GROUPS, PHOTOGRAPHS, SMALL, Claim, Reported, Study, world_of
from zoo.studies import STUDIES

ROOT = Path(__file__).resolve().parents[2]

MINE = '''"""Is wider better?"""

from zoo.experiments.claims.rules import Pairs
from zoo.experiments.design.experiment import Arm, Dataset, Dots, Expectation, Experiment, Recipe, label_of
from zoo.experiments.design.study import FUNCTIONS, Claim, Reported, Study

ARMS = tuple(
    Arm(label=f"width {width}", model="mlp", options={"width": width}, factors={"width": width}) for width in (2, 8)
)

EXPERIMENT = Experiment(
    name="mine",
    question="Is a wider net a better net?",
    arms=ARMS,
    data=Dataset(name="digits", train=500, test=200),
    recipe=Recipe(epochs=1),
    expectations=(
        Expectation(
            what="wider nets",
            value="better",
            source="common sense",
            measured="{mean test_accuracy (width=8)}",
            why="More weights.",
        ),
    ),
    figures=(Dots(title="Test accuracy"),),
)

STUDY = Study(
    name="mine",
    experiments=(EXPERIMENT,),
    reported=(Reported(caption="Widths", source="a paper", columns=("width", "error"), rows=(("8", "4.2"),)),),
    claims=(
        Claim(
            sentence="Wider is better.",
            group=FUNCTIONS,
            rules={"mine": Pairs(pairs=((label_of(ARMS, width=8), label_of(ARMS, width=2)),), sign="higher")},
        ),
    ),
)
'''
PAGE = """---
description: Is a wider net better?
---

# Is wider better?

**Answer.** The wider net reaches `#!n mine: mean test_accuracy (width=8)`; a paper reports
an error of `#!n mine: reported 8 -> error` %.

```results
mine
```

```chart
mine
```

```reproduce
mine
```
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A copy of what lists and shows the studies, with one question more: two files and a line of the contents."""
    copy = tmp_path_factory.mktemp("house")
    for part in ("zoo", "docs", "mkdocs.yml"):
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(
                source, copy / part, ignore=shutil.ignore_patterns("__pycache__", "*.npz", "*.h5")
            )
        else:
            shutil.copy(source, copy / part)
    (copy / "zoo/studies/mine.py").write_text(MINE)
    (copy / "docs/questions/mine.md").write_text(PAGE)
    contents = (copy / "mkdocs.yml").read_text()
    line = "      - questions/head.md\n"
    assert contents.count(line) == 1
    (copy / "mkdocs.yml").write_text(contents.replace(line, line + "      - questions/mine.md\n"))
    return copy


def run(house, *command):
    return subprocess.run(
        [sys.executable, *command],
        cwd=house,
        env={**os.environ, "PYTHONPATH": str(house), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )


class TestAddingAQuestionIsTwoFiles:
    def test_the_command_lists_it(self, house):
        done = run(house, "-m", "zoo.experiments", "list")
        assert done.returncode == 0, done.stderr
        assert "mine         Is a wider net a better net?" in done.stdout

    def test_the_site_builds_it(self, house):
        done = run(house, "-m", "mkdocs", "build", "--strict", "--site-dir", "site")
        assert done.returncode == 0, done.stderr[-3000:]
        page = (house / "site/questions/mine.html").read_text()
        assert '<span class="zoo-hole">not measured yet</span>' in page
        assert "an error of 4.2 %" in page
        assert "Reported by others, not measured here. Widths. Source: a paper." in page
        assert page.count("scripts/reproduce.py run mine") >= 2

    def test_the_ledger_counts_its_claim(self, house):
        code = (
            "from zoo.studies import STUDIES; from zoo.experiments.claims.page import claims_page; "
            "print(claims_page(STUDIES))"
        )
        done = run(house, "-c", code)
        assert done.returncode == 0, done.stderr
        # Nothing of it is published, so it is counted and not shown.
        assert "Wider is better." not in done.stdout and "common sense" not in done.stdout
        before = claims_page(STUDIES, ROOT / "docs/data")
        counts = [re.findall(r"(\d+) more sentences? will", text) for text in (before, done.stdout)]
        before, after = (
            sum(map(int, found)) for found in counts
        )  # where nothing waits, the page counts nothing
        assert after == before + 1

    @pytest.mark.parametrize(
        "wrong, said",
        [
            ("`#!n mine: mean test_accuracy (width=9)`", "no arm has width=9; there are 2, 8"),
            ("`#!n mine: mean test_accuracy (with=8)`", "no arm has the factor 'with'"),
            ("`#!n main: mean test_accuracy (width=8)`", "unknown experiment 'main'"),
            (
                "`#!n which: mean test_acuracy (activation=relu, normalisation=BN)`",
                "publishes no 'test_acuracy'",
            ),
            ("`#!n mine mean test_accuracy (width=8)`", "expected 'EXPERIMENT: QUESTION'"),
            ("`#!n mine: reported 9 -> error`", "no single cell at row '9'"),
        ],
    )
    def test_a_hole_that_cannot_be_filled_stops_the_build(self, wrong, said):
        """As MkDocs renders a page: the extension, the formatter, the exception that pymdownx passes on."""
        import markdown
        from pymdownx.inlinehilite import InlineHiliteException

        from zoo.site import fences, holes

        inline = {"name": "n", "class": "zoo-hole", "format": fences.inline_number}
        md = markdown.Markdown(
            extensions=["pymdownx.inlinehilite"],
            extension_configs={"pymdownx.inlinehilite": {"custom_inline": [inline]}},
        )
        study = Study(
            name="mine",
            experiments=(
                toys.experiment(
                    name="mine",
                    arms=tuple(toys.arm(str(width), factors={"width": width}) for width in (2, 8)),
                ),
            ),
            reported=(Reported(caption="", source="", columns=("width", "error"), rows=(("8", "4.2"),)),),
        )

        class WithMine(Registry):
            def studies(self):
                return [*super().studies(), study]

        holes._numbers.cache_clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(holes, "STUDIES", WithMine("zoo.studies"))
            assert "not measured yet" in md.convert("so `#!n mine: mean test_accuracy (width=8)`.")
            with pytest.raises(InlineHiliteException, match=said):
                md.convert(f"so {wrong}.")
        holes._numbers.cache_clear()


class TestStudy:
    ONE = toys.experiment(name="one")
    CLAIM = staticmethod(lambda **rest: Claim(sentence="So.", group=GROUPS[0], **rest))

    def judged_on(self, *others):
        """A study of a claim judged on small images and on each of these data sets."""
        more = [
            toys.experiment(name=name, data=Dataset(name=data))
            for name, data in zip(("two", "three"), others, strict=False)
        ]
        experiments = (self.ONE, *more)
        rules = {one.name: None for one in experiments}
        return Study(name="one", experiments=experiments, claims=(self.CLAIM(rules=rules),))

    @pytest.mark.parametrize(
        "make, said",
        [
            (
                lambda t: Study(name="two", experiments=(t.ONE,)),
                "the first named like the study; received .'one'",
            ),
            (lambda t: Study(name="one", experiments=(t.ONE, t.ONE)), "different names"),
            (lambda t: Study(name="one", experiments=()), "needs experiments"),
            (
                lambda t: Claim(sentence="So.", group="Odds", rules={"one": None}),
                "Claim.group must be one of",
            ),
            (lambda t: t.CLAIM(rules={}), "has no rule"),
            (
                lambda t: Study(name="one", experiments=(t.ONE,), claims=(t.CLAIM(rules={"two": None}),)),
                "is judged by \\['two'\\]; the experiments of the study are \\['one'\\]",
            ),
            (
                lambda t: t.judged_on("cifar10", "cifar100"),
                "'So.' of study 'one' is judged by 'two' and by 'three', all of the world 'photographs, full width'",
            ),
            (
                lambda t: t.judged_on("fashion_mnist", "digits"),
                "judged by 'one' and by 'two' and by 'three', all of",
            ),
            (
                lambda t: Reported(caption="", source="", columns=("a", "b"), rows=(("1",),)),
                "a cell for each of the columns",
            ),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, make, said):
        with pytest.raises(ValueError, match=said):
            make(self)

    def test_a_claim_has_one_rule_in_each_world(self):
        assert [world_of(one) for one in self.judged_on("cifar10").experiments] == [SMALL, PHOTOGRAPHS]
        # Experiments that judge nothing may be of one world.
        quiet = toys.experiment(name="quiet", data=Dataset(name="cifar100"))
        loud = self.judged_on("cifar10")
        assert Study(name="one", experiments=(*loud.experiments, quiet), claims=loud.claims)

    @pytest.mark.parametrize("row, column", [("x", "b"), ("a", "c"), ("twice", "b")])
    def test_a_cell_has_one_place(self, row, column):
        table = Reported(
            caption="T", source="", columns=("a", "b"), rows=(("a", "1"), ("twice", "2"), ("twice", "3"))
        )
        assert table.cell("a", "b") == "1"
        with pytest.raises(KeyError, match="no single cell"):
            table.cell(row, column)


class TestRegistry:
    def package(self, tmp_path, monkeypatch, **files):
        """A folder of studies by a name of its own: modules stay imported."""
        name = f"{tmp_path.name}_studies".replace("-", "_")
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        for file, text in files.items():
            (folder / f"{file}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        return Registry(name)

    def test_a_folder_of_ones_own(self, tmp_path, monkeypatch):
        registry = self.package(tmp_path, monkeypatch, mine=MINE)
        assert (
            registry.names() == ["mine"] and registry.study_of("mine").reported[0].cell("8", "error") == "4.2"
        )

    @pytest.mark.parametrize(
        "text, said",
        [
            ("EXPERIMENT = 3\n", "must define STUDY = Study\\(name='mine', ...\\); received None"),
            ("STUDY = 'mine'\n", "received 'mine'"),
            (
                MINE.replace('name="mine"', 'name="yours"').replace('{"mine"', '{"yours"'),
                "received a study named 'yours'",
            ),
        ],
    )
    def test_a_module_without_a_study_of_its_name_is_refused(self, tmp_path, monkeypatch, text, said):
        with pytest.raises(ValueError, match=said):
            self.package(tmp_path, monkeypatch, mine=text).names()

    def test_two_experiments_of_one_name_are_refused(self, tmp_path, monkeypatch):
        more = MINE.replace("experiments=(EXPERIMENT,)", "experiments=(EXPERIMENT, OTHER)").replace(
            "STUDY =", 'import dataclasses\n\nOTHER = dataclasses.replace(EXPERIMENT, name="shared")\nSTUDY ='
        )
        yours = more.replace('name="mine"', 'name="yours"').replace('{"mine"', '{"yours"')
        registry = self.package(tmp_path, monkeypatch, mine=more, yours=yours)
        with pytest.raises(ValueError, match="share the names \\['shared'\\]"):
            registry.names()

    def test_a_study_may_hold_several_experiments(self):
        study = STUDIES.study_of("ordering_20")
        assert study.name == "ordering" and [one.name for one in study.experiments] == [
            "ordering",
            "ordering_20",
            "ordering_56",
            "ordering_110",
        ]
        assert STUDIES.lookup("ordering_20").data == Dataset(name="cifar10_jpeg", size=16)
        with pytest.raises(UnknownExperimentError, match="did you mean 'ordering_20'"):
            STUDIES.lookup("ordering_2")
