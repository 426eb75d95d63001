"""Rule check_tim: given weights of TIM -> what they are, if they fit."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.tim.weights import check_weights

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    check_weights(
        Path(smk.input.model[0]),
        Path(smk.output[0]),
        annotations=Path(smk.input.annotations),
        recipe=smk.params.recipe,
    )
