"""Rule describe_soundtracks: weights -> what the prediction of new files needs to know."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.predict.soundtrack_description import describe_soundtracks

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    describe_soundtracks(
        settings={**smk.params.settings, "device": smk.params.device},
        models=dict(zip(smk.params.folds, map(Path, smk.input.models), strict=True)),
        target=Path(smk.output[0]),
    )
