"""Rule score_seconds: a shard of videos -> scores and embeddings of every second."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.tagging.leg_files import leg_files
from avlib.tagging.seconds import SecondsFiles, score_seconds

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    score_seconds(
        SecondsFiles(
            videos=Path(smk.params.videos),
            manifest=Path(smk.input.manifest),
            legs=leg_files(smk.params.legs),
            cache=Path(smk.params.cache),
            previous=Path(smk.params.previous),
            pack=Path(smk.output.pack),
            found=Path(smk.output.manifest),
        ),
        smk.params.settings,
        smk.params.shards,
    )
