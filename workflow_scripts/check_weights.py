"""Rule check_weights: given weights -> what they are, if they fit."""

from pathlib import Path

from avlib.extractors.registry import EXTRACTORS
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    EXTRACTORS[smk.wildcards.network].check_weights(
        Path(smk.input[0]), Path(smk.output[0]), **smk.params.options
    )
