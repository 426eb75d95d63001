"""Rule index_features: the features of all shards -> one index and a summary."""

from pathlib import Path

from avlib.extractors.index import index_features
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    index_features(
        shards=[Path(path) for path in smk.input.shards],
        manifest=Path(smk.input.manifest),
        files=Path(smk.input.files),
        checkpoint=next(map(Path, smk.input.checkpoint), None),
        study=smk.wildcards.study,
        extraction=smk.params.extraction,
        max_bad_fraction=smk.params.max_bad_fraction,
        index_target=Path(smk.output.index),
        summary_target=Path(smk.output.summary),
    )
