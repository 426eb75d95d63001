"""Rule evaluate_retrieval: annotations and embeddings -> metrics and ranks of a model."""

from pathlib import Path

from avlib.evaluation.metrics_file import Provenance
from avlib.joblog import job_log
from avlib.retrieval.evaluation import EvaluationFiles, NetworkEmbeddings, evaluate_retrieval
from avlib.retrieval.settings import RetrievalEvaluation

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    embeddings = {
        modality: NetworkEmbeddings(
            clips=[Path(path) for path in found["clips"]],
            index=[Path(path) for path in found["index"]],
            texts={kind: Path(path) for kind, path in found["texts"].items()},
        )
        for modality, found in smk.params.embeddings.items()
    }
    evaluate_retrieval(
        EvaluationFiles(
            annotations={name: Path(path) for name, path in smk.params.annotations.items()},
            audio=embeddings.get("audio"),
            visual=embeddings.get("visual"),
            graded={name: Path(path) for name, path in smk.params.graded.items()},
            metrics=Path(smk.output.metrics),
            ranks=Path(smk.output.ranks),
        ),
        RetrievalEvaluation(**smk.params.evaluation),
        Provenance(
            study={**smk.params.study, "model": smk.wildcards.model},
            models={name: Path(path) for name, path in smk.params.models.items()},
            origins=smk.params.origins,
            inputs={name: Path(path) for name, path in smk.params.sources.items()},
        ),
        smk.params.notes,
    )
