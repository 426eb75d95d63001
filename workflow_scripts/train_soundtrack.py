"""Rule train_soundtrack: labelled audio images -> weights."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.soundtracks.training_soundtrack_study import (
    SoundtrackTrainingSettings,
    train_soundtrack_study,
)

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    train_soundtrack_study(
        labels=Path(smk.input.labels),
        classes=Path(smk.input.classes),
        packs=[Path(path) for path in smk.input.packs],
        fold=smk.wildcards.fold,
        settings=SoundtrackTrainingSettings(**smk.params.training),
        state_directory=Path(smk.params.state),
        model_path=Path(smk.output.model),
        log_path=Path(smk.output.log),
        metrics_path=Path(smk.output.metrics),
    )
