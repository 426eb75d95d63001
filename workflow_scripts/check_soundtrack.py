"""Rule check_soundtrack: given weights of the network of sound -> what they are, if they fit."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.soundtracks.scores_given_soundtrack import check_given_soundtrack

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    check_given_soundtrack(
        Path(smk.input.model), classes=Path(smk.input.classes), target=Path(smk.output[0])
    )
