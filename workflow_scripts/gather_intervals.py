"""Rule gather_intervals: the intervals of all shards -> one table a split."""

from pathlib import Path

from avlib.extractors.interval_shards import gather_intervals
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    gather_intervals(
        shards=[Path(path) for path in smk.input.intervals],
        manifest=Path(smk.input.manifest),
        split=smk.wildcards.split,
        target=Path(smk.output[0]),
    )
