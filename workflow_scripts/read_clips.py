"""Rule read_clips: the published tables of a benchmark, or of a subset -> its clips."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.retrieval.annotations import write_annotations

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    write_annotations(smk.params.benchmark, dict(smk.input), {"clips": Path(smk.output.clips)})
