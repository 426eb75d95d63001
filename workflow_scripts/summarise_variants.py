"""Rule summarise_variants: the metrics of all variants -> one file."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.valor.variants import summarise_variants

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    summarise_variants(
        dict(zip(smk.params.variants, map(Path, smk.input), strict=True)), Path(smk.output[0])
    )
