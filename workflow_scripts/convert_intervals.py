"""Rule convert_intervals: published interval tables -> ours."""

from pathlib import Path

from avlib.extractors.interval_shards import convert_published
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    convert_published([Path(path) for path in smk.input], Path(smk.output[0]))
