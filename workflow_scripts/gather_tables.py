"""Rule gather_tables: the metrics of all models on all benchmarks -> tables 1 to 5."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.retrieval.result_tables import gather_tables

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    gather_tables(
        {
            benchmark: {model: Path(path) for model, path in models.items()}
            for benchmark, models in smk.params.runs.items()
        },
        Path(smk.output[0]),
    )
