"""Rule train_parser: features, weak labels and pseudo labels -> weights of a variant."""

from pathlib import Path

from avlib.datasets.llp import DENSE
from avlib.datasets.splits import SPLITS
from avlib.joblog import job_log
from avlib.valor.recipes import ParserTraining
from avlib.valor.sources import parser_sources
from avlib.valor.training import ParserOutputs, train_parser

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    train_parser(
        parser_sources(
            {name: smk.input[name] for name in (*SPLITS, *DENSE)},
            smk.params.features,
            smk.params.labels,
            skips_missing=smk.params.skips_missing,
        ),
        smk.wildcards.variant,
        ParserTraining(**smk.params.training),
        threshold=smk.params.threshold,
        device=smk.params.device,
        outputs=ParserOutputs(
            state_directory=Path(smk.params.state),
            best=Path(smk.output.best),
            last=Path(smk.output.last),
            log=Path(smk.output.log),
            metrics=Path(smk.output.metrics),
            epochs_folder=Path(smk.params.epochs),
        ),
    )
