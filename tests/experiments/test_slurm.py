"""Without Slurm: what would be submitted."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::UserWarning")
def test_a_job_is_one_worker_with_one_thread_that_sees_the_repository(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    pytest.importorskip("dask_jobqueue")
    module = importlib.util.spec_from_file_location("slurm", ROOT / "scripts/slurm.py")
    slurm = importlib.util.module_from_spec(module)
    module.loader.exec_module(slurm)
    with slurm.cluster(slurm.parser().parse_args(["--queue", "cpu", "--walltime", "01:00:00"])) as workers:
        script = workers.job_script()
    assert "#SBATCH -p cpu" in script and "#SBATCH -t 01:00:00" in script
    assert "--nthreads 1" in script
    assert f"export PYTHONPATH={ROOT}" in script
    assert "export KERAS_BACKEND=jax" in script  # that of the command: a run belongs to its backend
