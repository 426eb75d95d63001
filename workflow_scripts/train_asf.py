"""Rule train_asf: labelled events and their audio -> weights."""

from pathlib import Path

from avlib.extractors.auditory_slowfast.recipes import AsfTraining
from avlib.extractors.auditory_slowfast.training import train_asf
from avlib.joblog import job_log
from avlib.training.event_recognition import Outputs, TrainingInputs

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    train_asf(
        TrainingInputs(
            events=Path(smk.input.events),
            classes=Path(smk.input.classes),
            packs=[Path(path) for path in smk.input.packs],
            rate=smk.params.training["rate"],
            initial_weights=next(map(Path, smk.input.initial), None),
        ),
        AsfTraining(**smk.params.training["settings"]),
        seed=smk.params.training["seed"],
        device=smk.params.training["device"],
        outputs=Outputs(
            state_directory=Path(smk.params.state),
            model_path=Path(smk.output.model),
            log_path=Path(smk.output.log),
            metrics_path=Path(smk.output.metrics),
        ),
    )
