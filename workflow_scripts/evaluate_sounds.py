"""Rule evaluate_sounds: the scores of all folds -> the metrics of the study."""

from pathlib import Path

from avlib.evaluation.metrics_file import Provenance
from avlib.joblog import job_log
from avlib.soundtracks.counts import MadeImages
from avlib.soundtracks.folds import Labels
from avlib.soundtracks.score_files import ScoreFiles
from avlib.soundtracks.sounds_metrics import evaluate_sounds

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    folds = smk.params.folds
    scores = map(ScoreFiles, map(Path, smk.input.scores), map(Path, smk.input.soundtracks))
    evaluate_sounds(
        Labels(Path(smk.input.labels), Path(smk.input.classes)),
        MadeImages(Path(smk.input.manifest), [Path(path) for path in smk.input.images]),
        scores=dict(zip(folds, scores, strict=True)),
        provenance=Provenance(
            study=smk.params.study,
            models=dict(zip(folds, map(Path, smk.input.models), strict=True)),
            origins=smk.params.origins,
            inputs={name: Path(path) for name, path in smk.params.inputs.items()},
        ),
        target=Path(smk.output[0]),
    )
