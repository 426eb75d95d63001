"""Rule fuse_scores: scores of soundtracks and of pictures -> both together."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.soundtracks.fusion import FusionSettings
from avlib.soundtracks.fusion_fusion_study import fuse_study

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    fuse_study(
        soundtrack_scores=Path(smk.input.audio),
        soundtracks=Path(smk.input.soundtracks),
        classes=Path(smk.input.classes),
        video_scores=Path(smk.input.video),
        videos=Path(smk.input.videos),
        settings=FusionSettings(**smk.params.fusion),
        report_target=Path(smk.output.report),
        sweep_target=Path(smk.output.sweep),
        answers_target=Path(smk.output.answers),
    )
