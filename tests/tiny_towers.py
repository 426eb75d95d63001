"""Small CLIP and CLAP networks with tokenizers beside them, for tests of legs that take texts."""

import json

import torch
from tiny_clips import save_clap
from tiny_weights import with_settings

from avlib.extractors.clip.network import ClipSizes, TowerSizes
from avlib.extractors.clip.weights import untrained_clip
from avlib.extractors.structure import own_settings
from avlib.io.text_tokens import SPACE, write_byte_tokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,'-"
CLIP_TOKENS = [*LETTERS, *(f"{c}</w>" for c in LETTERS), SPACE, "<|startoftext|>", "<|endoftext|>"]
TINY_CLIP = ClipSizes(
    vision=TowerSizes(width=64, depth=1, feedforward=48),
    text=TowerSizes(width=64, depth=1, feedforward=48),
    image_size=32,
    patch_size=16,
    vocabulary=len(CLIP_TOKENS),
    positions=60,
    embedding=24,
)


def save_clip_folder(folder, seed=0):
    """Write a small CLIP network and its tokenizer; return the file of the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    network = untrained_clip(TINY_CLIP, seed)
    state = with_settings(network.model.state_dict(), own_settings(TINY_CLIP))
    torch.save(state, folder / "clip.pt")
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(CLIP_TOKENS)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return folder / "clip.pt"


def save_clap_folder(folder):
    """Write a small CLAP network and its tokenizer; return the file of the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    write_byte_tokenizer(folder)
    return save_clap(folder / "clap.pt")
