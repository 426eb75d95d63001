"""Rule probe_videos: the files of one shard -> what each holds."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.media.probe import probe_shard

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    probe_shard(Path(smk.params.videos), Path(smk.output[0]))
