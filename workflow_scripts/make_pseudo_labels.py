"""Rule make_pseudo_labels: logits of a teacher and weak labels -> pseudo labels of segments."""

from pathlib import Path

from avlib.datasets.llp import read_videos
from avlib.datasets.splits import SPLITS
from avlib.joblog import job_log
from avlib.valor.pseudo_labels import THRESHOLDS, make_pseudo_labels

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    make_pseudo_labels(
        Path(smk.input.logits),
        [video for split in SPLITS for video in read_videos(Path(smk.input[split]))],
        thresholds=smk.params.thresholds or THRESHOLDS[smk.wildcards.modality],
        dtype=smk.params.dtype,
        target=Path(smk.output[0]),
    )
