"""Rule train_omnivore: labelled events and small frames of them -> weights."""

from pathlib import Path

from avlib.extractors.omnivore.training_visual_study import (
    VisualTrainingSettings,
    train_visual_study,
)
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    train_visual_study(
        events=Path(smk.input.events),
        classes=Path(smk.input.classes),
        packs=[Path(path) for path in smk.input.packs],
        settings=VisualTrainingSettings(**smk.params.training),
        state_directory=Path(smk.params.state),
        model_path=Path(smk.output.model),
        log_path=Path(smk.output.log),
        metrics_path=Path(smk.output.metrics),
    )
