"""Rule label_files: folders of classes, or a table -> each file's class, split and fold."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.soundtracks.labels import write_labels

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    write_labels(
        smk.params.source,
        labels_target=Path(smk.output.labels),
        classes_target=Path(smk.output.classes),
    )
