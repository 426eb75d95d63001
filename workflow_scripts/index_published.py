"""Rule index_published: published folders of features -> which videos have some."""

from pathlib import Path

from avlib.extractors.published_features import index_published
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    index_published(
        [Path(path) for path in smk.params.folders],
        Path(smk.input.events),
        dict(zip(smk.params.splits, map(Path, smk.input.intervals), strict=True)),
        Path(smk.output[0]),
    )
