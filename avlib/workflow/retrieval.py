"""What the rules of retrieval.smk ask: annotations, embeddings, models, the tables of the paper."""

from pathlib import Path
from typing import Any

from avlib.datasets.captioned import RELEVANCIES
from avlib.datasets.miniature.kitchen_texts import spoken_words
from avlib.extractors.registry import CLIP_ENCODERS
from avlib.extractors.row import COMMON_SETTINGS
from avlib.io.provenance import code_fingerprint
from avlib.media.frame_sources import sources_fingerprint
from avlib.media.recordings import recording_of
from avlib.media.scan import read_scan
from avlib.origins import Origin
from avlib.studies.base import Place
from avlib.studies.retrieval_study import PAIR, SHARED, TOKENIZERS, RetrievalStudy
from avlib.workflow.study_files import StudyFiles, Wildcards
from avlib.workflow.weights import WeightsFiles

TABLES = ("texts", "clip_classes", "sentences", "questions")  # of annotations, beside the clips


class RetrievalFiles:
    """Retrieval by text; `wildcards.network` names an encoder, `wildcards.model` one or a pair."""

    def __init__(self, files: StudyFiles, weights: WeightsFiles) -> None:
        self.files, self.weights = files, weights

    def study(self, wildcards: Wildcards) -> RetrievalStudy:
        """Return the job's study."""
        return self.files.study(wildcards, RetrievalStudy)

    def benchmark(self, wildcards: Wildcards) -> str:
        """Return the name of the benchmark whose files are read."""
        return self.study(wildcards).benchmark

    # Annotations

    def clip_files(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the published tables that say where clips are, by role: no descriptions."""
        return self._published(wildcards, ("original",))

    def annotation_files(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the published tables of the job's subset that are needed, by role."""
        return self._published(wildcards, self.study(wildcards).texts)

    def _published(self, wildcards: Wildcards, kinds: tuple[str, ...]) -> dict[str, str]:
        place = self.files.place(wildcards)
        files = self.study(wildcards).annotation_files(place, wildcards.relevancy, kinds)
        return {role: str(path) for role, path in files.items()}

    def full_tables(self, wildcards: Wildcards) -> list[str]:
        """Return clips and texts of the whole benchmark, of which a subset's must be."""
        if wildcards.relevancy == "all":
            return []
        folder = self._annotations(wildcards, "all")
        return [str(folder / f"{name}.parquet") for name in ("clips", "texts")]

    def other_subsets(self, wildcards: Wildcards) -> list[str]:
        """Return the published tables of clips of the subsets before the job's.

        Only those before it, so that a further subset does not read the others again.
        """
        study, place = self.study(wildcards), self.files.place(wildcards)
        levels = [level for level in RELEVANCIES[1:] if level in study.relevancy]
        if wildcards.relevancy not in levels:
            return []
        before = levels[: levels.index(wildcards.relevancy)]
        found = [study.annotation_files(place, level, ("original",)) for level in before]
        return [str(files["clips"]) for files in found if "clips" in files]

    def _annotations(self, wildcards: Wildcards, relevancy: str) -> Path:
        return self.files.folder(wildcards) / "annotations" / relevancy

    # Embeddings

    def packs(self, wildcards: Wildcards) -> list[str]:
        """Return the pack of waveforms of the job's shard, for a network of sound."""
        is_audio = CLIP_ENCODERS[wildcards.network].modality == "audio"
        folder = self.files.folder(wildcards) / "audio"
        return [str(folder / f"{wildcards.shard}.h5")] if is_audio else []

    def images(self, wildcards: Wildcards) -> str:
        """Return a digest of the published images of the job's shard, where they are used."""
        folder = self.study(wildcards).frames
        if folder is None or CLIP_ENCODERS[wildcards.network].modality == "audio":
            return ""
        if self.files.rescan:
            self.files.scanned(wildcards.study)  # which writes the list
        videos = read_scan(Path(self.files.video_list(wildcards)))
        return sources_fingerprint(folder, (recording_of(video.video_id) for video in videos))

    def manifest(self, wildcards: Wildcards) -> str:
        """Return the manifest of the job's shard, of the stage before the encoder."""
        stage = "audio" if self.packs(wildcards) else "probe"
        return str(self.files.folder(wildcards) / stage / f"{wildcards.shard}.parquet")

    def gate(self, wildcards: Wildcards) -> list[str]:
        """Return what stops a run where too many videos have no audio."""
        path = self.files.folder(wildcards) / "manifest.parquet"
        return [str(path)] if self.packs(wildcards) else []

    def clip_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what decides the embeddings of clips, beside the videos and the weights."""
        return self._settings(wildcards, CLIP_ENCODERS[wildcards.network].settings)

    def text_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what decides the embeddings of texts, beside the texts and the weights."""
        return self._settings(wildcards, CLIP_ENCODERS[wildcards.network].text_settings)

    def _settings(self, wildcards: Wildcards, names: tuple[str, ...]) -> dict[str, Any]:
        config = self.files.config
        values = self.study(wildcards).encoding() | {"mel_on_device": config.mel_on_device}
        shared = {name: getattr(config, name) for name in COMMON_SETTINGS}
        return shared | {name: values[name] for name in names}

    def checkpoint(self, wildcards: Wildcards) -> str:
        """Return the weights of the job's network: given or trained."""
        return self._checkpoint(wildcards, wildcards.network)

    def _checkpoint(self, wildcards: Wildcards, network: str) -> str:
        if self.weights.is_given(wildcards, network):
            return self.weights.given(wildcards, network)
        place = self.files.place(wildcards)
        return str(self.study(wildcards).trained_file(network, place))

    def checked(self, wildcards: Wildcards) -> list[str]:
        """Return the report that says that given weights fit, if weights are given."""
        return self.weights.checked(wildcards, wildcards.network)

    def tokenizer(self, wildcards: Wildcards) -> list[str]:
        """Return the files of the tokenizer of the job's network, in one folder."""
        place = self.files.place(wildcards)
        return list(map(str, self.study(wildcards).tokenizer_files(wildcards.network, place)))

    def words(self, wildcards: Wildcards) -> list[str]:
        """Return the words of the miniatures, each a token of the small CLAP."""
        return spoken_words()

    def small_tokenizer(self, wildcards: Wildcards) -> list[str]:
        """Return the files of the tokenizer that a small encoder is trained with."""
        kind = CLIP_ENCODERS[wildcards.network].tokenizer
        folder = self.files.results / SHARED / "model/tokenizers" / kind
        return [str(folder / name) for name in TOKENIZERS[kind][0]]

    def code(self, wildcards: Wildcards) -> str:
        """Return the fingerprint of the code that decides the embeddings of the job's network."""
        return code_fingerprint(CLIP_ENCODERS[wildcards.network].module)

    # Metrics

    def _networks(self, wildcards: Wildcards) -> list[str]:
        return wildcards.model.split(PAIR)

    def annotations(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the folders of the annotations by subset."""
        levels = self.study(wildcards).relevancy
        return {level: str(self._annotations(wildcards, level)) for level in levels}

    def annotation_tables(self, wildcards: Wildcards) -> list[str]:
        """Return the files of `annotations`."""
        folders = map(Path, self.annotations(wildcards).values())
        return [str(f / f"{name}.parquet") for f in folders for name in ("clips", *TABLES)]

    def embeddings(self, wildcards: Wildcards) -> dict[str, dict[str, Any]]:
        """Return the embeddings of the job's networks by modality: clips, index, texts by kind."""
        kinds = self.study(wildcards).text_kinds(wildcards.model)
        found: dict[str, dict[str, Any]] = {}
        for network in self._networks(wildcards):
            modality = CLIP_ENCODERS[network].modality
            folder = f"embeddings/{network}"
            of_texts = self.files.folder(wildcards) / folder / "text"
            found[modality] = {
                "clips": self.files.shards(wildcards, f"{folder}/{{}}.h5"),
                "index": self.files.shards(wildcards, f"{folder}/{{}}.parquet"),
                "texts": {
                    kind: str(of_texts / f"{kind}.h5")
                    for kind in (kinds if modality == "audio" else ["original"])
                },
            }
        return found

    def embedding_files(self, wildcards: Wildcards) -> list[str]:
        """Return the files of `embeddings`."""
        parts = self.embeddings(wildcards).values()
        return [p for e in parts for p in (*e["clips"], *e["index"], *e["texts"].values())]

    def graded(self, wildcards: Wildcards) -> dict[str, str]:
        """Return given matrices of graded relevance by `<relevancy>.<kind of text>`."""
        found = self.study(wildcards).graded_files(self.files.place(wildcards))
        return {name: str(path) for name, path in found.items()}

    def graded_files(self, wildcards: Wildcards) -> list[str]:
        """Return the files of `graded`, each once."""
        return sorted(set(self.graded(wildcards).values()))

    def sources(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the published files behind the job's metrics, by role and subset."""
        study, place = self.study(wildcards), self.files.place(wildcards)
        kinds = study.text_kinds(wildcards.model)
        return {
            f"{level}.{role}": str(path)
            for level in study.relevancy
            for role, path in study.annotation_files(place, level, kinds).items()
        }

    def source_files(self, wildcards: Wildcards) -> list[str]:
        """Return the files of `sources`."""
        return list(self.sources(wildcards).values())

    def models(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the weights of the job's networks by their names."""
        return {name: self._checkpoint(wildcards, name) for name in self._networks(wildcards)}

    def model_files(self, wildcards: Wildcards) -> list[str]:
        """Return the files of `models`."""
        return list(self.models(wildcards).values())

    def origins(self, wildcards: Wildcards) -> dict[str, Origin]:
        """Return how the weights of the job's networks were made."""
        origins = self.study(wildcards).origins()
        return {name: origins[name] for name in self._networks(wildcards)}

    def evaluation(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what decides the metrics, beside the embeddings."""
        return self.study(wildcards).evaluation()

    def notes(self, wildcards: Wildcards) -> list[str]:
        """Return what a reader must know of where the clips are from."""
        return self.study(wildcards).notes()

    # The tables of the paper

    @property
    def tabulated(self) -> list[RetrievalStudy]:
        """The studies that the tables are of: those on real data, or the miniatures of all."""
        config = self.files.config
        studies = [config.study(name, RetrievalStudy) for name in config.names(RetrievalStudy)]
        return [s for s in studies if not s.is_rendered] or studies

    def runs(self, wildcards: Wildcards) -> dict[str, dict[str, str]]:
        """Return the metrics files that the tables are made of, by benchmark and model."""
        return {
            study.benchmark: {
                model: str(self._place(study).folder / model / "test_metrics.json")
                for model in study.models
            }
            for study in self.tabulated
        }

    def run_files(self, wildcards: Wildcards) -> list[str]:
        """Return the files of `runs`."""
        return [path for models in self.runs(wildcards).values() for path in models.values()]

    def _place(self, study: RetrievalStudy) -> Place:
        return Place(self.files.results / study.name, self.files.config.seed)

    def targets(self, wildcards: Wildcards) -> list[str]:
        """Return the tables, and the results of the studies that they are of."""
        return [*self._tables, *self.files.targets(*self.tabulated)]

    @property
    def finished(self) -> list[str]:
        """The page of the tables, where there is one: what a report can show."""
        return [path for path in self._tables if Path(path).is_file()]

    @property
    def _tables(self) -> list[str]:
        folder = self.files.results / SHARED
        return [str(folder / "tables.json"), str(folder / "report/tables.html")]
