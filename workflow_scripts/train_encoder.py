"""Rule train_encoder: rendered examples -> weights of a small encoder of clips and texts."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.retrieval.training import train_encoder

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    train_encoder(
        smk.wildcards.network,
        seed=smk.params.seed,
        model_path=Path(smk.output.model),
        log_path=Path(smk.output.log),
        metrics_path=Path(smk.output.metrics),
        tokenizer=Path(smk.input.tokenizer[0]).parent,
    )
