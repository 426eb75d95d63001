"""Rule check_weights: given weights -> what they are, if they fit."""

from pathlib import Path

from avlib.extractors.registry import check_given_weights
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    check_given_weights(
        smk.wildcards.network,
        Path(smk.input[0]),
        preset=smk.params.preset,
        clap_backend=smk.params.clap_backend,
        target=Path(smk.output[0]),
    )
