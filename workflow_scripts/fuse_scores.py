"""Rule fuse_scores: audio and visual scores -> their fusion."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.soundtracks.fusion import fuse_scores
from avlib.soundtracks.score_files import FusionFiles, ScoreFiles
from avlib.soundtracks.sweep import Fusion

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    fuse_scores(
        ScoreFiles(Path(smk.input.audio), Path(smk.input.soundtracks)),
        ScoreFiles(Path(smk.input.video), Path(smk.input.videos)),
        Path(smk.input.classes),
        fusion=Fusion(**smk.params.fusion),
        targets=FusionFiles(
            Path(smk.output.report), Path(smk.output.sweep), Path(smk.output.answers)
        ),
    )
