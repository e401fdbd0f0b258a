"""Experiments: from a question, written down as data, to runs, published numbers and figures.

`python -m zoo.experiments list|run|status|check|figures` does it. Rooms from the ground up; a file imports from
lower ones only:

| room | what it holds |
|---|---|
| `design` | `Experiment` and its parts, `Study`; shared recipes; the runs it needs, with their ids; a folder of studies |
| `data` | data sets by name, checked against known hashes |
| `nets`, `losses`, `fingerprint` | nets that no name of the zoo gives, losses by name, the hash of a graph |
| `measurements` | what can be recorded of a model besides loss and accuracy, by name |
| `training` | one run in memory: weights that depend on the seed alone, a step on each backend, the loop |
| `running` | a run on disk, claimed, resumed and finished; many runs, by a local pool or a Dask cluster |
| `publishing` | `docs/data/NAME.csv` and `.json`; statistics, figures, numbers for a text; does today's code still do what was published? |
| `claims` | the rules by which sentences people repeat are judged from published data, and the ledger |
| `command` | the command line |

The experiments themselves are in `zoo.studies`, a floor above: the engine knows none of them by name.
"""
