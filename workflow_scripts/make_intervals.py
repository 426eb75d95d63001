"""Rule make_intervals: the videos of one shard -> the intervals that get a feature."""

from pathlib import Path

from avlib.extractors.interval_shards import IntervalRule, make_shard_intervals
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    make_shard_intervals(
        manifest=Path(smk.input.manifest),
        published=next(map(Path, smk.input.published), None),
        rule=IntervalRule(**smk.params.rule),
        intervals_target=Path(smk.output.intervals),
        manifest_target=Path(smk.output.manifest),
    )
