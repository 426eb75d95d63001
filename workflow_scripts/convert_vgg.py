"""Rule convert_vgg: the official feature files of AVE -> one array a video, as if extracted."""

from pathlib import Path

from avlib.extractors.ave_features import convert_published
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    convert_published(
        {name: Path(path) for name, path in smk.input.items()},
        folders={"visual": Path(smk.params.visual), "audio": Path(smk.params.audio)},
        indices={"visual": Path(smk.output.visual), "audio": Path(smk.output.audio)},
        intervals=dict(zip(smk.params.splits, map(Path, smk.output.intervals), strict=True)),
    )
