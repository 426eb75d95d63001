"""Rule check_parser: given weights of a variant -> a report, if they fit."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.valor.weights import check_weights

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    check_weights(Path(smk.input[0]), smk.wildcards.variant, target=Path(smk.output[0]))
