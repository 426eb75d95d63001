"""What studies have in spaces that texts share: clips, seconds and intervals, beside the words.

Embeddings are where the stages of a study have written them; weights and tokenizers are those that
the configuration names.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from avlib.datasets.llp import SECONDS
from avlib.datasets.splits import SPLITS
from avlib.datasets.tables import CAPTIONED_CLIPS, TEXTS
from avlib.errors import ConfigError
from avlib.extractors.registry import CLIP_ENCODERS, VIDEO_EXTRACTORS
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.io.embeddings import read_embeddings
from avlib.io.tables import read_table, write_table
from avlib.io.torn import torn
from avlib.studies import Config
from avlib.studies.feature_study import FeatureStudy
from avlib.studies.tag_legs import IN_PLACE
from avlib.tagging.archive import LegName
from avlib.tagging.leg_files import LegFiles
from avlib.tagging.nearest_items import Items, Rows, Space, Vectors
from avlib.valor.captions import CLAP_CAPTIONS, CLIP_CAPTIONS, PUBLISHED_TOKENS
from avlib.valor.feature_folders import FeatureFolder, open_feature_folder, videos_with_files
from avlib.valor.queries import caption_vector, captions_of
from avlib.workflow import Workflow
from avlib.workflow.segments import TEACHERS
from avlib.workflow.tagging import given_files
from avlib.workflow.valor import ParsingFiles

EMBEDDINGS = "embeddings"  # of clips, below the folder of a study
LABELS = "labels.json"  # of a study of event parsing
# Whose features of intervals texts are compared with, and the leg of tags that they can make.
INTERVAL_NETWORKS: Mapping[str, LegName] = {network: leg for leg, network in IN_PLACE.items()}

Blocks = Iterator[tuple[Rows, Vectors]]


class Embedded(NamedTuple):
    """What can be searched in a study.

    Attributes:
        items: which have embeddings.
        spaces: one for each network that embeds the words.
        remarks: why others are left out, one line each.
    """

    items: Items
    spaces: list[Space]
    remarks: list[str]


def embedded_items(folder: Path, words: str, config: Config) -> Embedded:
    """Return what has embeddings in a folder of results, in spaces with the words.

    Args:
        folder: of a study that has embeddings.
        words: in English.
        config: which names the files of networks.

    Raises:
        ConfigError: if the configuration does not fit the folder, or weights are not there.
        DataError: if a file cannot be read.
    """
    if _clip_networks(folder):
        return embedded_clips(folder, words, config)
    if (folder / LABELS).is_file():
        return embedded_seconds(folder, words, config)
    return embedded_intervals(folder, words, config)


# Clips of a study of retrieval


def embedded_clips(folder: Path, words: str, config: Config) -> Embedded:
    """Return the clips of a study of retrieval."""
    clips = read_table(folder / "annotations" / "all" / "clips.parquet", CAPTIONED_CLIPS)
    numbers = {event_id: number for number, event_id in enumerate(clips["event_id"])}
    spaces = [
        Space(n, _text_vector(words, n, folder, config), _clip_blocks(folder, n, numbers))
        for n in _clip_networks(folder)
    ]
    times = (clips[name].to_numpy(np.float64) for name in ("start_s", "stop_s"))
    return Embedded(Items("clips", clips["video_id"].tolist(), *times), spaces, [])


def _clip_networks(folder: Path) -> list[str]:
    return [n for n in CLIP_ENCODERS if any((folder / EMBEDDINGS / n).glob("*.h5"))]


def _clip_blocks(folder: Path, network: str, numbers: Mapping[str, int]) -> Blocks:
    for path in sorted((folder / EMBEDDINGS / network).glob("*.h5")):
        stored = read_embeddings(path)
        is_known = [key in numbers for key in stored.keys]
        rows = [numbers[key] for key in stored.keys if key in numbers]
        yield np.array(rows, np.int64), stored.vectors[is_known]


def _text_vector(words: str, network: str, folder: Path, config: Config) -> Vectors:
    """Return the embedding of words, by the stage that embeds the texts of the study."""
    from avlib.extractors.embedding import TextFiles  # imports torch

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


# Seconds of a study of event parsing


def embedded_seconds(folder: Path, words: str, config: Config) -> Embedded:
    """Return the seconds of a study of event parsing, by the features of its teachers."""
    files = Workflow(config, results=folder.parent, rescan=False).valor
    job: Any = SimpleNamespace(study=folder.name)
    own = files.study(job).teachers
    audio, visual = own.audio.texts or CLAP_CAPTIONS, own.visual.captions or CLIP_CAPTIONS
    features: dict[str, FeatureFolder] = {}
    vectors: dict[str, Vectors] = {}
    remarks = []
    for modality, caption in captions_of(words, audio, visual).items():
        job.modality = modality
        network = VIDEO_EXTRACTORS[TEACHERS[modality]].network
        try:
            stored = _segments(files, job)
            vectors[network] = _caption_vector(files, job, caption)
            features[network] = stored
        except ConfigError as error:
            remarks.append(f"{network} is left out: {error}")
    video_ids = sorted({video_id for own in features.values() for video_id in own.video_ids})
    firsts = {video_id: SECONDS * number for number, video_id in enumerate(video_ids)}
    starts = np.tile(np.arange(SECONDS, dtype=np.float64), len(video_ids))
    items = Items("seconds", [v for v in video_ids for _ in range(SECONDS)], starts, starts + 1)
    spaces = [Space(n, vectors[n], _segment_blocks(own, firsts)) for n, own in features.items()]
    return Embedded(items, spaces, remarks)


def _caption_vector(files: ParsingFiles, job: Any, caption: str) -> Vectors:
    """Return the embedding of a caption by the job's teacher."""
    tokenizer = next((Path(path).parent for path in files.tokenizer(job)), None)
    if tokenizer is None and caption not in PUBLISHED_TOKENS:
        key = f"{files.study(job).key('teachers')}.{job.modality}.tokenizer"
        raise ConfigError(
            f"{key}: name the folder of CLIP's vocab.json and merges.txt, or search for the name "
            "of a class of LLP"
        )
    checkpoint = Path(files.teacher_weights(job))
    return caption_vector(job.modality, caption, checkpoint, tokenizer)


def _segments(files: ParsingFiles, job: Any) -> FeatureFolder:
    """Return the features that the job's teacher compares with captions."""
    tables, folder = files.teacher_tables(job), Path(files.teacher_folder(job))
    if missing := [path for path in tables if not Path(path).is_file()]:
        raise ConfigError(
            f"{missing[0]} is not there; run .venv/bin/snakemake --cores 2 {' '.join(missing)}"
        )
    video_ids = sorted(videos_with_files(folder))
    return open_feature_folder(files.teacher_kind(job), folder, video_ids, list(map(Path, tables)))


def _segment_blocks(features: FeatureFolder, firsts: Mapping[str, int]) -> Blocks:
    for number, video_id in enumerate(features.video_ids):
        yield firsts[video_id] + np.arange(SECONDS), features[number]


# Intervals of one's own videos


def embedded_intervals(folder: Path, words: str, config: Config) -> Embedded:
    """Return the intervals of one's own videos, by their features of CLAP and CLIP."""
    tables = [read_table(folder / "intervals" / f"{s}.parquet", INTERVALS) for s in SPLITS]
    rows = pd.concat([t.assign(split=s) for t, s in zip(tables, SPLITS, strict=True)])
    firsts: dict[tuple[str, str], int] = {}
    for number, key in enumerate(zip(rows["split"], rows["video_id"], strict=True)):
        firsts.setdefault(key, number)
    times = (rows[name].to_numpy(np.float64) for name in ("start_s", "stop_s"))
    items = Items("intervals", rows["video_id"].tolist(), *times)
    spaces, remarks = [], []
    for network in _interval_networks(folder):
        try:
            vector = _interval_text_vector(words, network, folder, config)
            spaces.append(Space(network, vector, _interval_blocks(folder, network, firsts)))
        except ConfigError as error:
            remarks.append(f"{network} is left out: {error}")
    return Embedded(items, spaces, remarks)


def _interval_text_vector(words: str, network: str, folder: Path, config: Config) -> Vectors:
    """Return the embedding of words, by the network that made features of intervals."""
    from avlib.tagging.text_towers import embedded, load_network  # imports torch

    files = text_tower_files(folder, INTERVAL_NETWORKS[network], network, config)
    assert files.tokenizer is not None
    found = load_network(network, files.checkpoint, config.seed)
    return embedded(found, [words], files.tokenizer)[0]


def text_tower_files(folder: Path, leg: LegName, network: str, config: Config) -> LegFiles:
    """Return the files of the network that embeds texts for a leg of a study.

    Args:
        folder: results of the study.
        leg: which CLAP or CLIP makes.
        network: its name.
        config: which names the files.

    Raises:
        ConfigError: if the configuration has no such study or network, or a file is not there.
    """
    study = config.study(folder.name, FeatureStudy)
    own = study.tag_legs.with_texts(leg)
    if own is None or own.network != network:
        key = study.key("checkpoints")
        raise ConfigError(f"{key}.{network}: name the weights that {folder} was made by")
    given_files(study, own)  # they are there
    return LegFiles(network, own.weights.path, own.tokenizer)


def _interval_networks(folder: Path) -> list[str]:
    return [n for n in INTERVAL_NETWORKS if (folder / "features" / n / "index.parquet").is_file()]


def _interval_blocks(folder: Path, network: str, firsts: Mapping[tuple[str, str], int]) -> Blocks:
    root = folder / "features" / network
    index = read_table(root / "index.parquet", FEATURES)
    for row in index[index["status"] == "ok"].itertuples():
        try:
            vectors = np.load(root / row.path, allow_pickle=False)[:, 0]  # (intervals, channels)
            first = firsts[row.split, row.video_id]
        except (OSError, ValueError, LookupError, EOFError) as error:
            raise torn(root / row.path, "feature file", error) from error
        yield first + np.arange(len(vectors)), vectors
