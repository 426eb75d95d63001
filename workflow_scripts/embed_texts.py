"""Rule embed_texts: texts of one kind and weights -> embeddings."""

from pathlib import Path

from avlib.extractors.embedding import TextFiles
from avlib.extractors.registry import CLIP_ENCODERS
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    CLIP_ENCODERS[smk.wildcards.network].embed_texts(
        TextFiles(
            texts=Path(smk.input.texts),
            kind=smk.wildcards.kind,
            checkpoint=Path(smk.input.checkpoint),
            tokenizer=Path(smk.input.tokenizer[0]).parent,
            target=Path(smk.output[0]),
        ),
        smk.params.settings,
    )
