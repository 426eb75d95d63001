"""Rule write_word_tokenizer: the words of the miniatures, in the file of BERT's tokenizer."""

from pathlib import Path

from avlib.datasets.miniature.kitchen_texts import vocabulary
from avlib.io.text_tokens import write_word_tokenizer
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    write_word_tokenizer(Path(smk.output[0]).parent, vocabulary())
