"""Recordings and clips on disk, and small encoders of them, for tests of what embeds clips."""

import h5py
import numpy as np
import pandas as pd
import torch
from golden.fill import fill_by_rule
from tiny_weights import with_settings

from avlib.datasets.tables import CAPTIONED_CLIPS, TEXTS
from avlib.extractors.clap.network import ClapSizes
from avlib.extractors.clap.weights import untrained_clap
from avlib.extractors.embedding import ClipFiles, TextFiles
from avlib.extractors.structure import own_settings
from avlib.extractors.wavcaps.network import AseSizes
from avlib.extractors.wavcaps.weights import untrained_ase
from avlib.io.tables import write_table
from avlib.io.text_tokens import write_byte_tokenizer, write_word_tokenizer
from avlib.media.tables import MANIFEST

RATE = 48_000
SETTINGS = {"seed": 0, "dtype": "float32", "device": "cpu", "allow_tf32": False}
TOWER = {"audio_width": 8, "audio_depths": (2, 1, 1, 1), "audio_heads": (1, 2, 2, 4)}
TEXT = {"text_width": 64, "text_depth": 1, "text_feedforward": 40, "positions": 40}
TINY_ASE = AseSizes(**TOWER, **TEXT, vocabulary=60, embedding=16, text_heads=4)
TINY_CLAP = ClapSizes(**TOWER, **TEXT, vocabulary=261, embedding=16)
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "open", "close", "door", "the", "##s", "."]


def tiny_ase():
    network = untrained_ase(TINY_ASE, 0)
    fill_by_rule(network)
    return network.requires_grad_(False)


def tiny_clap():
    network = untrained_clap(TINY_CLAP, 0)
    fill_by_rule(network)
    return network.requires_grad_(False)


def save_ase(target):
    torch.save(with_settings(tiny_ase().state_dict(), own_settings(TINY_ASE)), target)
    return target


def save_clap(target):
    torch.save(with_settings(tiny_clap().model.state_dict(), own_settings(TINY_CLAP)), target)
    return target


def noise(seconds, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def write_clips(target, rows):
    """Write a table of clips, a row (event_id, video_id, start_s, stop_s) each."""
    table = pd.DataFrame(rows, columns=["event_id", "video_id", "start_s", "stop_s"])
    frames = pd.array([None] * len(table), "Int64")
    write_table(table.assign(start_frame=frames, stop_frame=frames), target, CAPTIONED_CLIPS)
    return target


def write_shard(folder, sounds, left_out=None):
    """Write a pack and a manifest of recordings by id; return both.

    Args:
        folder: to write to.
        sounds: waveform of each usable recording.
        left_out: status of each of the others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "audio.h5", "w") as pack:
        pack.attrs["rate_hz"] = RATE
        for video_id, waveform in sounds.items():
            pack[video_id] = waveform
    statuses = dict.fromkeys(sounds, "ok") | (left_out or {})
    rows = [
        {"video_id": video_id, "split": "test", "path": "", "status": status, "message": ""}
        for video_id, status in statuses.items()
    ]
    names = [column.name for column in MANIFEST.columns]
    write_table(pd.DataFrame(rows, columns=names), folder / "manifest.parquet", MANIFEST)
    return folder / "audio.h5", folder / "manifest.parquet"


def clip_files(folder, clips, checkpoint, *shards):
    """Return the files of a stage, given a table of clips and shards of `write_shard`."""
    folder.mkdir(parents=True, exist_ok=True)
    return ClipFiles(
        sources=[pack for pack, _ in shards],
        manifests=[manifest for _, manifest in shards],
        clips=clips,
        checkpoint=checkpoint,
        previous=folder / "previous.h5",
        target=folder / "embeddings.h5",
        index=folder / "index.parquet",
    )


def text_files(folder, texts, checkpoint, kind="original"):
    """Return the files of a stage, given texts of a kind, and tokenizers of both networks."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"event_id": str(i), "kind": k, "text": t} for i, (k, t) in enumerate(texts)]
    write_table(pd.DataFrame(rows), folder / "texts.parquet", TEXTS)
    write_byte_tokenizer(folder / "tokenizer")
    write_word_tokenizer(folder / "tokenizer", WORDS)
    return TextFiles(
        texts=folder / "texts.parquet",
        kind=kind,
        checkpoint=checkpoint,
        tokenizer=folder / "tokenizer",
        target=folder / "texts.h5",
    )
