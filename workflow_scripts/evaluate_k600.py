"""Rule evaluate_k600: scores and their fusion -> the metrics of the study."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.soundtracks.k600_metrics import evaluate_k600

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    evaluate_k600(
        study=smk.params.study,
        labelled_files=Path(smk.input.labels),
        classes=Path(smk.input.classes),
        manifests=[Path(smk.input.manifest)],
        indices=[Path(path) for path in smk.input.images],
        soundtrack_scores=Path(smk.input.scores),
        soundtracks=Path(smk.input.soundtracks),
        fusion=Path(smk.input.fusion),
        predictions=Path(smk.input.answers),
        sweep=Path(smk.input.sweep),
        models={
            "soundtrack": Path(smk.input.model),
            "video": next(map(Path, smk.input.video), None),
        },
        origins=smk.params.origins,
        inputs={name: Path(path) for name, path in smk.params.inputs.items()},
        target=Path(smk.output[0]),
    )
