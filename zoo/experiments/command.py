"""The command line of `python -m zoo.experiments`; in a checkout `scripts/reproduce.py` is the same command."""

import argparse
import contextlib
import dataclasses
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from zoo.experiments.design.experiment import Experiment, quick
from zoo.experiments.design.plan import describe_size
from zoo.experiments.design.registry import Registry, UnknownExperimentError
from zoo.experiments.publishing import publication
from zoo.experiments.publishing.publication import PublicationError
from zoo.experiments.publishing.waiting import waiting
from zoo.experiments.running import archive, environment
from zoo.experiments.running.durations import minutes
from zoo.experiments.running.execution import ExecutionError, cores, pool
from zoo.experiments.running.progress import watching
from zoo.experiments.running.results import DEFAULT_FOLDER, RunFolderError

PROGRAM = "python -m zoo.experiments"
NOTHING_HERE = (
    f"nothing is published in {publication.FOLDER} here: give this command in a checkout of the project, where the "
    f"published data lie, or make your own with `{PROGRAM} run NAME`"
)
REFUSED = 2  # exit status of a command that could not be done; 1 is a command whose answer is "no"


def main(registry: Registry, arguments: Sequence[str] | None = None, *, prog: str = PROGRAM) -> int:
    """Run a command and return its exit status.

    Args:
        registry: The experiments that there are.
        arguments: Without the name of the script; by default those of this process.
        prog: How the command was called: what is published says so.
    """
    options = _parser(prog).parse_args(arguments, argparse.Namespace(registry=registry, prog=prog))
    environment.pin_threads()
    try:
        return options.do(options)
    except (
        UnknownExperimentError,
        ExecutionError,
        FileNotFoundError,
        PublicationError,
        RunFolderError,
        ValueError,
    ) as error:
        print(f"reproduce: {error}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        return 130


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog, description="Run the experiments, publish them, check what is published."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, do, text):
        one = commands.add_parser(name, help=text, description=text)
        one.set_defaults(do=do)
        return one

    listed = command("list", _list, "all experiments, their questions and what they cost")
    listed.add_argument(
        "--missing",
        action="store_true",
        help="what is not published yet, or not with all seeds, in the order in which to run it, without runs that an "
        "earlier one has",
    )

    def wanted(one):
        one.add_argument("names", nargs="+", metavar="NAME", help="experiments; `all` is all of them")

    def work(one):
        one.add_argument("--workers", type=_positive, metavar="N", help="processes (default: one a core)")
        one.add_argument(
            "--scheduler", metavar="ADDRESS", help="Dask scheduler, such as tcp://127.0.0.1:8786"
        )
        one.add_argument("--runs", type=Path, default=DEFAULT_FOLDER, metavar="DIR", help="folder of runs")

    run = command("run", _run, "do what is missing of experiments, then publish them and draw their figures")
    wanted(run)
    work(run)
    run.add_argument("--quick", action="store_true", help="a smaller answer in minutes; publishes nothing")
    run.add_argument("--seeds", type=_positive, metavar="N", help="number of seeds; publishes nothing")
    run.add_argument(
        "--done", action="store_true", help="run nothing; publish the seeds that are done in every arm"
    )
    run.add_argument("--dataset", metavar="NAME", help="another data set; publishes nothing")

    status = command(
        "status",
        _status,
        "fresh, stale, missing or unseen (no images or no backend here), and why; 1 where any is stale or missing",
    )
    status.add_argument("names", nargs="*", metavar="NAME")
    status.add_argument("--published", action="store_true", help="leave out what is not published yet")
    status.add_argument(
        "--made-on",
        choices=("tensorflow", "jax"),
        help="only what was published from runs on this Keras backend",
    )

    check = command("check", _check, "run some published seeds again and compare")
    wanted(check)
    work(check)
    check.set_defaults(runs=None)  # what is repeated is kept nowhere
    check.add_argument("--arms", type=_positive, default=2, metavar="N", help="arms of each experiment (2)")
    check.add_argument("--seeds", type=_positive, default=1, metavar="N", help="seeds of each arm (1)")

    again = command(
        "publish",
        _publish,
        "derive tables, verdicts, figures and texts again from the published rows; trains nothing",
    )
    again.add_argument("names", nargs="*", metavar="NAME")

    pack = command(
        "pack", _pack, f"write finished runs to {archive.FOLDER}, from where `run` goes on on another machine"
    )
    wanted(pack)
    pack.add_argument("--runs", type=Path, default=DEFAULT_FOLDER, metavar="DIR", help="folder of runs")

    figures = command("figures", _figures, "draw the figures again from the published data")
    figures.add_argument("names", nargs="*", metavar="NAME")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1; received {text}")
    return value


def _chosen(options: argparse.Namespace) -> list[Experiment]:
    names, registry = options.names, options.registry
    return (
        registry.experiments() if "all" in names or not names else [registry.lookup(name) for name in names]
    )


def _list(options: argparse.Namespace) -> int:
    if options.missing:
        return _list_missing(options)
    for experiment in options.registry.experiments():
        print(f"{experiment.name:12} {experiment.question}\n{'':12} {_cost(experiment, cores())}")
    return 0


def _list_missing(options: argparse.Namespace) -> int:
    total = 0.0
    for one in waiting(options.registry, backend=environment.chosen_backend()):
        total += one.minutes
        shared = f", {one.shared} more shared or archived" if one.shared else ""
        print(f"{one.name:22} {one.question}")
        if one.so_far:
            print(f"{'':22} {one.so_far} are published; left are")
        for label, seeds in one.left.items():
            print(f"{'':24} {label}: seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}")
        print(
            f"{'':22} {one.runs} runs{shared}, about {minutes(one.minutes)} of one core; {minutes(total)} so far"
        )
    return 0


def _cost(experiment: Experiment, workers: int, share: float = 1.0) -> str:
    """What an experiment costs, measured where it is published, else estimated."""
    tuning, evaluations = describe_size(experiment)
    cpu = experiment.cost
    with contextlib.suppress(PublicationError):
        about = publication.load(experiment.name).about
        # Beside an accelerator a processor waits.
        cpu = about["cpu_minutes"] if about["environment"]["device"] == "cpu" else cpu
    on = f"{workers} core" + ("s" if workers > 1 else "")
    return f"{tuning + evaluations} runs, about {minutes(share * cpu / workers)} on {on}"


def _run(options: argparse.Namespace) -> int:
    from zoo.experiments.running.conduct import conduct

    chosen = [_adapted(experiment, options) for experiment in _chosen(options)]
    whole = not (options.quick or options.seeds or options.dataset)
    if whole:
        chosen = _made_here(
            chosen, options, f", or remove its files from {publication.FOLDER} to run all of it here"
        )
    # Every archive, since an arm that experiments have in common is one run.
    for place in () if options.quick else sorted(archive.FOLDER.glob("*.jsonl")):
        if taken := archive.unpack(place, options.runs):
            print(f"from {place}: {taken} finished")
    with pool(workers=options.workers, scheduler=options.scheduler) as workers:
        for experiment in chosen:
            full = options.registry.lookup(experiment.name)
            share = _work(experiment) / _work(full)
            print(f"{experiment.name}: {_cost(experiment, workers.workers, share)}", flush=True)
            with watching(sum(describe_size(experiment)), workers.workers, options.runs) as watch:
                collected = conduct(
                    experiment,
                    runs=options.runs,
                    workers=workers,
                    backend=environment.chosen_backend(),
                    watch=watch,
                    announce=lambda text: print(text, flush=True),
                    only_done=options.done,
                )
            if whole:
                backend = environment.chosen_backend()
                setting = "" if backend == environment.DEFAULT_BACKEND else f"KERAS_BACKEND={backend} "
                command = f"{setting}{options.prog} run {experiment.name}"
                published = publication.publish(collected, command=command)
                _draw(experiment, published)
                _write_texts(options)
                print(f"published docs/data/{experiment.name}.csv and .json")
            else:
                published = publication.publish(
                    collected, command="not published", folder=options.runs / "small answers"
                )
            _report(published)
    return 0


def _adapted(experiment: Experiment, options: argparse.Namespace) -> Experiment:
    """The experiment with what the command line changes."""
    if options.quick:
        experiment = quick(experiment)
    if options.seeds:
        experiment = dataclasses.replace(
            experiment,
            seeds=tuple(range(options.seeds)),
            seeds_reason="as asked",
        )
    if options.dataset:

        def other(data):
            return data and dataclasses.replace(data, name=options.dataset, **_fitting(options.dataset, data))

        experiment = dataclasses.replace(
            experiment,
            data=other(experiment.data),
            arms=tuple(dataclasses.replace(arm, data=other(arm.data)) for arm in experiment.arms),
        )
    return experiment


def _fitting(name: str, data) -> dict:
    """`digits` has 1,438 training and 359 test images of 8 x 8 pixels; these are balanced subsets."""
    if name != "digits":
        return {}
    return {"size": None, "train": min(data.train or 1000, 1000), "test": min(data.test or 200, 200)}


def _work(experiment: Experiment) -> float:
    """Images seen in all runs, to scale a known cost with."""
    total = 0.0
    for arm in experiment.arms:
        recipe, data = experiment.recipe_of(arm), experiment.data_of(arm)
        each = 1.0
        if recipe is not None:
            images = (data.train or 60000) * (2 if data.signs == "both" else 1)
            each = recipe.steps * recipe.batch if recipe.steps else recipe.epochs * images
        total += each * (len(experiment.seeds) + (len(recipe.learning_rates) / 3 if recipe else 0))
    return total


def _draw(experiment: Experiment, published: publication.Published) -> None:
    from zoo.experiments.publishing.figures import draw

    for path in draw(experiment, published):
        print(f"drew {path}")


def _report(published: publication.Published) -> None:
    """The answer, in the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table("arm", "metric", "mean", "95 % t interval", "trained", title=published.about["question"])
    for row in published.about["table"]:
        interval = f"{_number(row['low'])} to {_number(row['high'])}"
        diverged = f" ({row['diverged']} diverged)" if row["diverged"] else ""
        trained = f"{row.get('trained', row['runs'])} of {row['of']}{diverged}"
        table.add_row(row["arm"], row["metric"], _number(row["mean"]), interval, trained)
    console = Console()
    console.print(table)
    for pair in published.about["comparisons"]:
        interval = "" if pair["low"] is None else f" [{_number(pair['low'])}, {_number(pair['high'])}]"
        interval += "" if pair.get("holm") is None else f", Holm p {_number(pair['holm'])}"
        pair_of = f"{pair['a']} - {pair['b']}, {pair['metric']}"
        console.print(f"{pair_of}: {_number(pair['difference'])}{interval}: {pair['verdict']}", markup=False)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _status(options: argparse.Namespace) -> int:
    import multiprocessing

    from zoo.experiments.publishing.freshness import FRESH, UNSEEN, statuses

    if not publication.FOLDER.is_dir():
        print(NOTHING_HERE, file=sys.stderr)
    chosen = _chosen(options)
    if options.published or options.made_on:
        known = publication.names(options.registry.names())
        chosen = [experiment for experiment in chosen if experiment.name in known]
    if options.made_on:
        # What is damaged may have been: it is judged, and found stale.
        wanted = (options.made_on, None)
        chosen = [experiment for experiment in chosen if _made_on(experiment.name) in wanted]
        if not chosen:
            raise PublicationError(f"nothing is published from runs on {options.made_on}")
    # A backend is chosen before Keras is imported, so another one needs another process.
    elsewhere = {name: other for name, other in _made_elsewhere(chosen).items() if environment.version(other)}
    fresh = True
    with multiprocessing.get_context("spawn").Pool(cores()) as workers:
        here = [experiment for experiment in chosen if experiment.name not in elsewhere]
        for state in statuses(here, each=workers.imap):
            print(f"{state.name:12} {state.word:8} {state.why}", flush=True)
            fresh = fresh and state.word in (FRESH, UNSEEN)
    for other in sorted(set(elsewhere.values())):
        names = [name for name, backend in elsewhere.items() if backend == other]
        command = [sys.executable, "-m", "zoo.experiments", "status", *names]
        asked = subprocess.run(command, env=os.environ | {"KERAS_BACKEND": other}, check=False)
        fresh = fresh and asked.returncode == 0
    return 0 if fresh else 1


def _made_on(name: str) -> str | None:
    """The backend that an experiment was published from; `None` where nothing readable is published."""
    try:
        return publication.load(name).about["environment"]["backend"]
    except PublicationError:
        return None


def _made_elsewhere(chosen: Sequence[Experiment]) -> dict[str, str]:
    """Name -> backend, of those that are published from another backend than the present one."""
    made_on = {experiment.name: _made_on(experiment.name) for experiment in chosen}
    return {
        name: other for name, other in made_on.items() if other not in (None, environment.chosen_backend())
    }


def _made_here(
    chosen: list[Experiment], options: argparse.Namespace, otherwise: str = ""
) -> list[Experiment]:
    """What is not published from another backend: that would all be run again, or compared with other initial weights.

    Args:
        chosen: What is asked for; of `all` the others are left out, and named.
        options: Of the command.
        otherwise: What else the reader may do, for the message.

    Raises:
        PublicationError: One of the others was asked for by name; tells the backend.
    """
    others = _made_elsewhere(chosen)
    for name, other in others.items():
        said = (
            f"{name} is published from runs on {other}, and KERAS_BACKEND is {environment.chosen_backend()}"
        )
        if "all" not in options.names:
            raise PublicationError(f"{said}; set KERAS_BACKEND={other}{otherwise}")
        print(f"left out: {said}")
    return [experiment for experiment in chosen if experiment.name not in others]


def _pack(options: argparse.Namespace) -> int:
    from zoo.experiments.running.conduct import ids_of

    for experiment in _chosen(options):
        ids = ids_of(experiment, runs=options.runs, backend=environment.chosen_backend())
        place = archive.FOLDER / f"{experiment.name}.jsonl"
        print(f"{place}: {archive.pack(ids, options.runs, place)} finished runs of {len(ids)}")
    return 0


def _check(options: argparse.Namespace) -> int:
    from zoo.experiments.publishing.check import check

    fine = True
    # `all` is all of what is published: nothing else can be compared.
    chosen = [options.registry.lookup(name) for name in _published(options)]
    chosen = _made_here(chosen, options)
    with pool(workers=options.workers, scheduler=options.scheduler) as workers:
        for experiment in chosen:
            for finding in check(
                experiment,
                workers=workers,
                backend=environment.chosen_backend(),
                arms=options.arms,
                seeds=options.seeds,
                runs=options.runs,
                announce=lambda text: print(text, flush=True),
            ):
                print(finding.words)
                fine = fine and finding.inside
    return 0 if fine else 1


def _publish(options: argparse.Namespace) -> int:
    from zoo.experiments.publishing.again import publish_again

    for name in _published(options):
        experiment = options.registry.lookup(name)
        _draw(experiment, publish_again(experiment))
        print(f"published docs/data/{name}.json again")
    _write_texts(options)
    return 0


def _published(options: argparse.Namespace) -> list[str]:
    """The experiments asked for by name, or all of which something is published here."""
    if options.names and "all" not in options.names:
        return options.names
    known = publication.names(options.registry.names())
    if not known:
        raise PublicationError(NOTHING_HERE)
    return known


def _figures(options: argparse.Namespace) -> int:
    for name in _published(options):
        _draw(options.registry.lookup(name), publication.load(name))
    _write_texts(options)
    return 0


def _write_texts(options: argparse.Namespace) -> None:
    """The ledger of claims, where there is a site to write it for."""
    if Path("docs/claims.md").exists():
        from zoo.experiments.claims.page import write

        for path in write(Path("docs"), options.registry):
            print(f"wrote {path}")
