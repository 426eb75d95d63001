"""Rule train_parser: features, weak labels and those of the teachers -> weights of a variant."""

from pathlib import Path

from avlib.datasets.llp_study import DENSE, SPLITS
from avlib.joblog import job_log
from avlib.recognition.event_parsing import study_files, train_parser, variant_recipe
from avlib.training.event_parsing_training import ParsingOutputs

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    settings = dict(smk.params.training)
    keeps_epochs, device = settings.pop("keep_epochs"), settings.pop("device")
    threshold = settings.pop("threshold")
    train_parser(
        study_files(
            {name: smk.input[name] for name in (*SPLITS, *DENSE)},
            smk.params.features,
            smk.params.labels,
        ),
        recipe=variant_recipe(smk.wildcards.variant, **settings),
        device=device,
        threshold=threshold,
        outputs=ParsingOutputs(
            state_directory=Path(smk.params.state),
            best=Path(smk.output.best),
            last=Path(smk.output.last),
            log=Path(smk.output.log),
            metrics=Path(smk.output.metrics),
            epochs_folder=Path(smk.params.epochs) if keeps_epochs else None,
        ),
    )
