"""Rule evaluate_sounds: the scores of all folds -> the metrics of the study."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.soundtracks.sounds_metrics import evaluate_sounds

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    folds = smk.params.folds
    evaluate_sounds(
        study=smk.params.study,
        labelled_files=Path(smk.input.labels),
        classes=Path(smk.input.classes),
        manifests=[Path(smk.input.manifest)],
        indices=[Path(path) for path in smk.input.images],
        scores=dict(zip(folds, map(Path, smk.input.scores), strict=True)),
        tables=dict(zip(folds, map(Path, smk.input.soundtracks), strict=True)),
        models=dict(zip(folds, map(Path, smk.input.models), strict=True)),
        origins=smk.params.origins,
        inputs={name: Path(path) for name, path in smk.params.inputs.items()},
        target=Path(smk.output[0]),
    )
