"""Rule check_asf: given weights -> what they are, if they fit."""

from pathlib import Path

from avlib.features.auditory_slowfast import check_weights
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    check_weights(Path(smk.input[0]), smk.params.preset, Path(smk.output[0]))
