"""Rule check_tim: given weights of TIM -> what they are, if they fit."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.tim.models_given_model import check_given_tim

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    check_given_tim(
        Path(smk.input.model[0]),
        annotations=Path(smk.input.annotations),
        recipe=smk.params.recipe,
        target=Path(smk.output[0]),
    )
