"""Rule evaluate_k600: scores and their fusion -> the metrics of the study."""

from pathlib import Path

from avlib.evaluation.metrics_file import Provenance
from avlib.joblog import job_log
from avlib.soundtracks.counts import MadeImages
from avlib.soundtracks.folds import Labels
from avlib.soundtracks.k600_metrics import evaluate_k600
from avlib.soundtracks.score_files import FusionFiles, ScoreFiles

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    evaluate_k600(
        Labels(Path(smk.input.labels), Path(smk.input.classes)),
        MadeImages(Path(smk.input.manifest), [Path(path) for path in smk.input.images]),
        audio=ScoreFiles(Path(smk.input.scores), Path(smk.input.soundtracks)),
        fusion=FusionFiles(Path(smk.input.fusion), Path(smk.input.sweep), Path(smk.input.answers)),
        provenance=Provenance(
            study=smk.params.study,
            models={
                "soundtrack": Path(smk.input.model),
                "video": next(map(Path, smk.input.video), None),
            },
            origins=smk.params.origins,
            inputs={name: Path(path) for name, path in smk.params.inputs.items()},
        ),
        target=Path(smk.output[0]),
    )
