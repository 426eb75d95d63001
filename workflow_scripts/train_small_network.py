"""Rule train_small_network: rendered examples -> weights of a narrow network."""

from pathlib import Path

from avlib.datasets.miniature.scenes import LLP_THINGS
from avlib.joblog import job_log
from avlib.valor.small_networks import train_small_network

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    train_small_network(
        smk.wildcards.network,
        classes=list(LLP_THINGS)[: smk.params.classes],
        seed=smk.params.seed,
        tokenizer=next((Path(path).parent for path in smk.input.tokenizer), None),
        model_path=Path(smk.output.model),
        metrics_path=Path(smk.output.metrics),
    )
