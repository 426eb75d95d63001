"""Rule write_submission: predictions of the unlabelled test split -> the challenge's zip file."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.tim.submission import write_submission

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    write_submission(
        predictions=Path(smk.input.predictions),
        queries=Path(smk.input.queries),
        classes=Path(smk.input.classes),
        split=smk.params.split,
        supervision=tuple(smk.params.supervision),
        target=Path(smk.output[0]),
    )
