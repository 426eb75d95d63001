"""Rule score_captions: features of a teacher and captions -> logits of every segment."""

from pathlib import Path

from avlib.datasets.llp import read_videos
from avlib.datasets.splits import SPLITS
from avlib.joblog import job_log
from avlib.valor.feature_folders import open_feature_folder
from avlib.valor.teachers import Teacher, score_captions

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    score_captions(
        Teacher(
            smk.wildcards.modality,
            checkpoint=Path(smk.input.checkpoint),
            captions=smk.params.captions,
            tokenizer=next((Path(path).parent for path in smk.input.tokenizer), None),
            backend=smk.params.backend,
        ),
        open_feature_folder(
            smk.params.kind,
            Path(smk.params.folder),
            [v.video_id for split in SPLITS for v in read_videos(Path(smk.input[split]))],
            [Path(path) for path in smk.input.tables],
        ),
        device=smk.params.device,
        target=Path(smk.output[0]),
    )
