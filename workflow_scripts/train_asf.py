"""Rule train_asf: labelled events and their sound -> weights."""

from pathlib import Path

from avlib.extractors.auditory_slowfast.training_study import TrainingSettings, train_study
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    train_study(
        events=Path(smk.input.events),
        classes=Path(smk.input.classes),
        packs=[Path(path) for path in smk.input.packs],
        initial_weights=next(map(Path, smk.input.initial), None),
        settings=TrainingSettings(**smk.params.training),
        state_directory=Path(smk.params.state),
        model_path=Path(smk.output.model),
        log_path=Path(smk.output.log),
        metrics_path=Path(smk.output.metrics),
    )
