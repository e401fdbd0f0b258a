"""Experiments: from a question, written down as data, to runs, published numbers and figures.

| file | what it holds |
|---|---|
| `spec` | `Experiment` and its parts: the question, the arms, the recipe, the seeds, what to expect |
| `catalog` | the experiments themselves, one module each, as data |
| `data` | data sets by name, checked against known hashes |
| `plan` | an experiment -> the list of runs it needs, each with an id made from what it does |
| `measurements` | what can be recorded of a model besides loss and accuracy, by name |
| `seeds` | initial weights that depend on the seed alone, whatever other threads draw |
| `steps`, `training` | one optimiser step on each backend; a run from its first step to its last |
| `results` | a run on disk: one line an interval, a checkpoint, a done mark |
| `run` | one run, claimed, resumed and finished: what a worker executes |
| `execution`, `progress` | many runs: a local pool or a Dask cluster, and what the reader sees meanwhile |
| `statistics` | means, t intervals, p, Holm's correction, rates of success, the bootstrap beside them |
| `outcomes` | did a run train, or stay at chance, or diverge? |
| `differences` | two arms seed by seed, and all comparisons of an experiment as one family |
| `metrics` | unit and range of a metric |
| `power` | how many runs a difference needs |
| `publication` | `docs/data/NAME.csv` and `.json`: tidy rows, and how they came about |
| `freshness` | does today's code still do what was published? |
| `figures` | published data -> charts; no Keras |
"""
