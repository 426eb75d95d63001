"""Rule index_features: the features of all shards -> one index and a summary."""

from pathlib import Path

from avlib.extractors.index import IndexFiles, index_features
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    index_features(
        IndexFiles(
            shards=[Path(path) for path in smk.input.shards],
            manifest=Path(smk.input.manifest),
            media_files=Path(smk.input.files),
            checkpoint=next(map(Path, smk.input.checkpoint), None),
            index=Path(smk.output.index),
            summary=Path(smk.output.summary),
        ),
        study=smk.wildcards.study,
        extraction=smk.params.extraction,
        max_bad_fraction=smk.params.max_bad_fraction,
    )
