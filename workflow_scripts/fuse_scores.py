"""Rule fuse_scores: audio and visual scores -> their fusion."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.soundtracks.fusion import fuse_scores
from avlib.soundtracks.sweep import Fusion

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    fuse_scores(
        soundtrack_scores=Path(smk.input.audio),
        soundtracks=Path(smk.input.soundtracks),
        classes=Path(smk.input.classes),
        video_scores=Path(smk.input.video),
        videos=Path(smk.input.videos),
        fusion=Fusion(**smk.params.fusion),
        report_target=Path(smk.output.report),
        sweep_target=Path(smk.output.sweep),
        predictions_target=Path(smk.output.answers),
    )
