"""Rule train_parser: features, weak labels and those of the teachers -> weights of a variant."""

from pathlib import Path

from avlib.datasets.llp import DENSE
from avlib.datasets.splits import SPLITS
from avlib.joblog import job_log
from avlib.valor.stages import study_files, train_parser, variant_recipe
from avlib.valor.training import ParsingOutputs

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    train_parser(
        study_files(
            {name: smk.input[name] for name in (*SPLITS, *DENSE)},
            smk.params.features,
            smk.params.labels,
            skips_missing=smk.params.skips_missing,
        ),
        recipe=variant_recipe(smk.wildcards.variant, **smk.params.recipe),
        device=smk.params.device,
        threshold=smk.params.threshold,
        keeps_epochs=smk.params.keeps_epochs,
        outputs=ParsingOutputs(
            state_directory=Path(smk.params.state),
            best=Path(smk.output.best),
            last=Path(smk.output.last),
            log=Path(smk.output.log),
            metrics=Path(smk.output.metrics),
            epochs_folder=Path(smk.params.epochs),
        ),
    )
