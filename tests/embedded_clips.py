"""A small benchmark of retrieval on disk: annotation tables, and random embeddings of networks."""

import numpy as np
import pandas as pd

from avlib.datasets.tables import CAPTIONED_CLIPS, CLIP_CLASSES, QUESTIONS, SENTENCES, TEXTS
from avlib.evaluation.metrics_file import Provenance
from avlib.extractors.tables import EMBEDDED_CLIPS
from avlib.io.embeddings import WHOLE, Embeddings, write_embeddings
from avlib.io.tables import write_table
from avlib.retrieval.evaluation import EvaluationFiles, NetworkEmbeddings

CLIPS, VERBS, NOUNS, LONG = 24, 4, 6, (3, 11)  # numbers; and clips of more than 10 s
SEEDS = (0, 1, 2)
KINDS = ("original", "llm")
GROUPS = ("verb", "noun", "class")


def clip_id(number):
    return f"v_{number:02}"


def classes(number):
    """Return the verb, and the nouns, of a clip."""
    return {number % VERBS}, {number % NOUNS, (number // 2) % NOUNS}


def text(number, kind="original"):
    """Return the text of a clip; some clips share theirs."""
    return f"{kind}: {number % VERBS} {number % NOUNS}"


def sentence_clips():
    """Return the clips that sentences are of: one for each distinct text."""
    return list({text(n): n for n in reversed(range(CLIPS))}.values())[::-1]


def frame(rows, schema):
    """Return rows as a table of a kind."""
    return pd.DataFrame(rows, columns=[column.name for column in schema.columns])


def write_annotations(folder, clips=range(CLIPS), questions=()):
    """Write the tables of a subset."""
    folder.mkdir(parents=True)
    durations = {n: 12.5 if n in LONG else 2.0 for n in clips}
    rows = [(clip_id(n), f"video {n % 3}", 1.0, 1.0 + durations[n], None, None) for n in clips]
    table = frame(rows, CAPTIONED_CLIPS)
    table[["start_frame", "stop_frame"]] = table[["start_frame", "stop_frame"]].astype("Int64")
    tables = {
        "clips": (table, CAPTIONED_CLIPS),
        "texts": ([(clip_id(n), kind, text(n, kind)) for kind in KINDS for n in clips], TEXTS),
        "clip_classes": (
            [
                (clip_id(n), group, number)
                for n in clips
                for group, numbers in zip(GROUPS, (*classes(n), {n % 12}), strict=True)
                for number in sorted(numbers)
            ],
            CLIP_CLASSES,
        ),
        "sentences": (
            []
            if questions
            else [
                (kind, clip_id(n), text(n, kind))
                for kind in KINDS
                for n in sentence_clips()
                if n in clips
            ],
            SENTENCES,
        ),
        "questions": (list(questions), QUESTIONS),
    }
    for name, (rows, schema) in tables.items():
        write_table(
            rows if name == "clips" else frame(rows, schema), folder / f"{name}.parquet", schema
        )
    return folder


class RandomNetwork:
    """Random embeddings of all clips and texts.

    Args:
        seed: of the numbers.
        width: of the embeddings.
        has_crops: whether long clips have an embedding a crop.
        status: of clips that have no embedding.
        texts: all texts by kind.
    """

    def __init__(self, seed, width, has_crops=True, status=None, texts=None):
        self.rng, self.width, self.has_crops = np.random.default_rng(seed), width, has_crops
        self.status = status or {}
        known = {kind: [text(n, kind) for n in range(CLIPS)] for kind in KINDS}
        self.texts = {
            kind: {t: self.vector() for t in dict.fromkeys(found)}
            for kind, found in (texts or known).items()
        }
        self.clips = {}
        for n in (n for n in range(CLIPS) if clip_id(n) not in self.status):
            seeds = SEEDS if has_crops and n in LONG else (WHOLE,)
            self.clips |= {(clip_id(n), crop): self.vector() for crop in seeds}

    def vector(self):
        return self.rng.standard_normal(self.width).astype(np.float32)

    def of(self, event_id, seed):
        """Return the vector of a clip."""
        return self.clips.get((event_id, seed), self.clips.get((event_id, WHOLE)))

    def write(self, folder, kinds=KINDS, shards=2):
        """Write embeddings in shards; return their files."""
        folder.mkdir(parents=True)
        for shard in range(shards):
            own = {clip_id(n) for n in range(shard, CLIPS, shards)}
            self._save(folder / f"{shard}.h5", {k: v for k, v in self.clips.items() if k[0] in own})
            rows = [
                (
                    event_id,
                    self.status.get(event_id, "ok"),
                    "a reason" if event_id in self.status else "",
                    self.has_crops and event_id in map(clip_id, LONG),
                    event_id == clip_id(0),
                )
                for event_id in sorted(own)
            ]
            write_table(frame(rows, EMBEDDED_CLIPS), folder / f"{shard}.parquet", EMBEDDED_CLIPS)
        for kind in kinds:
            rows = {(t, WHOLE): v for t, v in self.texts[kind].items()}
            self._save(folder / f"{kind}.h5", rows)
        return NetworkEmbeddings(
            clips=[folder / f"{shard}.h5" for shard in range(shards)],
            index=[folder / f"{shard}.parquet" for shard in range(shards)],
            texts={kind: folder / f"{kind}.h5" for kind in kinds},
        )

    def _save(self, path, rows):
        vectors = np.array(list(rows.values()), dtype=np.float32).reshape(len(rows), self.width)
        crops = np.array([crop for _, crop in rows], dtype=np.int64)
        write_embeddings(path, Embeddings([k for k, _ in rows], crops, vectors, [""] * len(rows)))


def files(folder, annotations, audio=None, visual=None, **others):
    """Return what is evaluated in `folder`, and the provenance of its networks."""
    names = [name for name, part in (("egovlp", visual), ("clap", audio)) if part is not None]
    models = {}
    for name in names:
        models[name] = folder / f"{name}.bin"
        models[name].write_bytes(name.encode())
    evaluated = EvaluationFiles(
        annotations=annotations,
        audio=audio,
        visual=visual,
        metrics=folder / "test_metrics.json",
        ranks=folder / "ranks.parquet",
        **others,
    )
    study = {"study": "epic_mir", "config_hash": "0"}
    return evaluated, Provenance(study, models, dict.fromkeys(names, "given"), {})
