"""Search among the clips of a retrieval study, by the embeddings that its networks have made."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.datasets.tables import CAPTIONED_CLIPS, TEXTS
from avlib.errors import DataError
from avlib.extractors.embedding import TextFiles
from avlib.extractors.registry import CLIP_ENCODERS
from avlib.io.embeddings import Embeddings, read_embeddings
from avlib.io.tables import read_table, write_table
from avlib.retrieval.embeddings import Vectors
from avlib.retrieval.similarity import unit_rows
from avlib.studies import Config
from avlib.tagging.queries import Hit
from avlib.tagging.scores import FEW_SECONDS, LEAST_DEVIATION
from avlib.tagging.search import Found, LegMeaning
from avlib.workflow import Workflow

EMBEDDINGS = "embeddings"  # below the folder of a study
Scores = NDArray[np.float64]


def has_clips(folder: Path) -> bool:
    """Say whether a folder of results has embeddings of clips."""
    return bool(_networks(folder))


def search_clips(folder: Path, words: str, config: Config, top: int) -> Found:
    """Return the clips of a study that words describe.

    Args:
        folder: results of the study, `results/<study>`.
        words: in English.
        config: which has weights and tokenizers of the study's networks.
        top: clips to find, at least 1.

    Raises:
        ConfigError: if the study is not of retrieval, or weights are not there.
        DataError: if there are no words, or a file cannot be read.
    """
    if not words.strip():
        raise DataError("no words to search for; say what is heard or seen")
    asked = {network: _embedded(words, network, folder, config) for network in _networks(folder)}
    return best_clips(folder, words, asked, top)


def _networks(folder: Path) -> list[str]:
    """Return the networks whose embeddings of clips were made."""
    return [n for n in CLIP_ENCODERS if any((folder / EMBEDDINGS / n).glob("*.h5"))]


def _embedded(words: str, network: str, folder: Path, config: Config) -> Vectors:
    """Return the embedding of words by the text tower of a network."""
    files = Workflow(config, results=folder.parent, rescan=False).retrieval
    job: Any = SimpleNamespace(study=folder.name, network=network)
    with TemporaryDirectory() as name:
        texts, target = Path(name) / "texts.parquet", Path(name) / "texts.h5"
        row = {"event_id": "query", "kind": "original", "text": words}
        write_table(pd.DataFrame([row]), texts, TEXTS)
        CLIP_ENCODERS[network].embed_texts(
            TextFiles(
                texts=texts,
                kind="original",
                checkpoint=Path(files.checkpoint(job)),
                tokenizer=Path(files.tokenizer(job)[0]).parent,
                target=target,
            ),
            files.text_settings(job),
        )
        return read_embeddings(target).vectors[0]


def best_clips(folder: Path, words: str, asked: Mapping[str, Vectors], top: int) -> Found:
    """Return the clips whose embeddings are nearest to those of words.

    The score is the mean over the networks of the cosine, in deviations from its mean over all
    clips; with fewer than FEW_SECONDS clips of the cosine itself. A clip that a network has no
    embedding of has the score of the others. Of a clip with several crops the best one counts.

    Args:
        folder: results of the study.
        words: the query.
        asked: its embedding by each network.
        top: clips to find, at least 1.
    """
    clips = read_table(folder / "annotations" / "all" / "clips.parquet", CAPTIONED_CLIPS)
    ids = clips["event_id"].tolist()
    scores = {network: _cosines(folder, network, vector, ids) for network, vector in asked.items()}
    is_raw = len(ids) < FEW_SECONDS
    if not is_raw:
        scores = {network: _standardised(cosines) for network, cosines in scores.items()}
    stacked = np.stack(list(scores.values()))
    found = np.flatnonzero(~np.isnan(stacked).all(axis=0))
    mean = np.full(len(ids), np.nan)
    mean[found] = np.nanmean(stacked[:, found], axis=0)
    hits = []
    for i in found.tolist():
        parts = {n: float(values[i]) for n, values in scores.items() if not np.isnan(values[i])}
        clip = clips.iloc[i]
        span = float(clip["start_s"]), float(clip["stop_s"])
        hits.append(Hit(clip["video_id"], *span, float(mean[i]), parts))
    hits.sort(key=lambda hit: (-hit.score, hit.video_id, hit.start_s))
    legs = {network: LegMeaning(1 / len(asked)) for network in asked}
    unit = "cosine" if is_raw else "deviations"
    return Found(words, unit, len(found), legs, hits[:top], items="clips")


def _cosines(folder: Path, network: str, vector: Vectors, ids: Sequence[str]) -> Scores:
    """Return the cosine of each clip, NaN where it has no finite embedding."""
    files = sorted((folder / EMBEDDINGS / network).glob("*.h5"))
    stored = Embeddings.joined(map(read_embeddings, files))
    cosines = unit_rows(stored.vectors) @ unit_rows(vector[None])[0]
    best: dict[str, float] = {}
    for key, cosine in zip(stored.keys, cosines.tolist(), strict=True):
        if np.isfinite(cosine):
            best[key] = max(cosine, best.get(key, cosine))
    return np.array([best.get(event_id, np.nan) for event_id in ids])


def _standardised(cosines: Scores) -> Scores:
    deviation = max(float(np.nanstd(cosines)), LEAST_DEVIATION)
    return (cosines - np.nanmean(cosines)) / deviation
