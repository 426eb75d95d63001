"""Rule evaluate_asf: labelled events, their audio and weights -> metrics of the classifier."""

from pathlib import Path

from avlib.evaluation.metrics_file import Provenance
from avlib.extractors.auditory_slowfast.evaluation import evaluate_asf
from avlib.joblog import job_log
from avlib.training.event_recognition import TrainingInputs

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    weights = Path(smk.input.weights[0])
    evaluate_asf(
        TrainingInputs(
            events=Path(smk.input.events),
            classes=Path(smk.input.classes),
            packs=[Path(path) for path in smk.input.packs],
            rate=smk.params.evaluation["rate"],
            initial_weights=weights,
        ),
        recipe=smk.params.evaluation["recipe"],
        device=smk.params.evaluation["device"],
        provenance=Provenance(
            study=smk.params.study,
            models={"asf": weights},
            origins=smk.params.evaluation["origins"],
            inputs={name: Path(path) for name, path in smk.params.inputs.items()},
        ),
        target=Path(smk.output[0]),
    )
