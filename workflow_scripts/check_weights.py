"""Rule check_weights: given weights -> a report that they fit their network."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.workflow.weights import check_weights

FILES = ("checkpoint", "parts")  # of the weights

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    check_weights(
        smk.wildcards.network,
        Path(smk.input.checkpoint),
        Path(smk.output[0]),
        inputs={name: Path(path) for name, path in smk.input.items() if name not in FILES},
        options=smk.params.options,
    )
