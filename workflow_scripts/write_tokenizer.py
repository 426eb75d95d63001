"""Rule write_tokenizer: tokens of single bytes, in the files of RoBERTa's tokenizer."""

from pathlib import Path

from avlib.io.text_tokens import write_byte_tokenizer
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    write_byte_tokenizer(Path(smk.output.vocabulary).parent, words=smk.params.get("words", ()))
