"""Rule describe_tim: models and queries -> what the prediction of new files needs to know."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.predict.description import describe_study

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    describe_study(
        settings={**smk.params.settings, "device": smk.params.device},
        models=dict(zip(smk.params.models, map(Path, smk.input.models), strict=True)),
        queries=Path(smk.input.queries),
        target=Path(smk.output[0]),
    )
