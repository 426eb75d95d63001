import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from avlib.datasets.llp import CLASSES
from avlib.datasets.miniature.scenes import LLP_THINGS
from avlib.extractors.clap.embeddings import clap_map, text_embeddings
from avlib.extractors.clap.weights import load_clap
from avlib.extractors.clip.embeddings import clip_features
from avlib.extractors.clip.weights import load_clip
from avlib.extractors.resnet.r2plus1d_18 import r2plus1d_features
from avlib.extractors.resnet.res152 import res152_features
from avlib.extractors.resnet.weights import load_r2plus1d_18, load_resnet152
from avlib.extractors.vggish.segments import vggish_features
from avlib.extractors.vggish.weights import load_vggish
from avlib.io.text_tokens import write_byte_tokenizer
from avlib.valor.captions import CLAP_CAPTIONS, clap_tokens
from avlib.valor.feature_folders import FEATURE_KINDS
from avlib.valor.small_networks import SMALL_NETWORK_RECIPES, train_small_network

THINGS = list(LLP_THINGS)[:3]


def train(kind, folder, **changes):
    recipe = replace(
        SMALL_NETWORK_RECIPES[kind],
        **{"examples": 10, "epochs": 3, "batch_size": 5, "held_out": 10} | changes,
    )
    write_byte_tokenizer(folder / "tokenizer")
    train_small_network(
        kind,
        classes=THINGS,
        seed=0,
        model_path=folder / "model.safetensors",
        metrics_path=folder / "metrics.json",
        tokenizer=folder / "tokenizer",
        recipe=recipe,
    )
    return folder / "model.safetensors", json.loads((folder / "metrics.json").read_text())


def pictures(n=80):
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 256, (n, 96, 128, 3), dtype=np.uint8))


def sound(n_samples):
    return np.random.default_rng(0).normal(0, 0.1, n_samples).astype(np.float32)


EXTRACTIONS = {
    "vggish": lambda path: vggish_features(load_vggish(path), sound(220_500), 22_050),
    "res152": lambda path: res152_features(load_resnet152(path), pictures(20)),
    "r2plus1d_18": lambda path: r2plus1d_features(load_r2plus1d_18(path), pictures(20)),
    "clip": lambda path: clip_features(load_clip(path), pictures(20)),
    "clap": lambda path: clap_map(load_clap(path), sound(480_000)),
}


def test_there_is_a_recipe_for_each_network():
    assert SMALL_NETWORK_RECIPES.keys() == EXTRACTIONS.keys()
    for recipe in SMALL_NETWORK_RECIPES.values():
        assert recipe.examples % 10 == recipe.held_out % 10 == 0


@pytest.mark.parametrize("kind", SMALL_NETWORK_RECIPES)
def test_a_network_learns_and_is_read_as_published_ones_are(tmp_path, kind):
    path, metrics = train(kind, tmp_path)
    assert metrics["losses"][-1] < metrics["losses"][0]
    assert 0 <= metrics["held_out"]["f"] <= 1
    features = EXTRACTIONS[kind](path)
    assert features.ndim == 2 and len(features) == FEATURE_KINDS[kind].rows
    assert np.isfinite(features).all() and features.std() > 0


@pytest.mark.parametrize("kind", ["r2plus1d_18", "clip", "clap"])
def test_weights_are_the_same_bytes_every_time(tmp_path, kind):
    first, _ = train(kind, tmp_path / "a", epochs=1)
    torch.manual_seed(1)  # nothing is drawn from the generator that all share
    again, _ = train(kind, tmp_path / "b", epochs=1)
    assert first.read_bytes() == again.read_bytes()


def test_the_texts_of_clap_differ_in_the_tokens_of_bytes(tmp_path):
    path, _ = train("clap", tmp_path, epochs=1)
    tokens, mask = clap_tokens(CLAP_CAPTIONS, tmp_path / "tokenizer")
    texts = text_embeddings(load_clap(path), tokens, mask)
    assert texts.shape == (len(CLASSES), load_clap(path).sizes.embedding)
    assert len(np.unique(texts.round(4), axis=0)) == len(CLASSES)
