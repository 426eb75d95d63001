import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from avlib.datasets.miniature.kitchen import ACTIONS
from avlib.datasets.miniature.kitchen_texts import spoken_words, vocabulary
from avlib.errors import DataError
from avlib.extractors.clap.weights import load_clap
from avlib.extractors.egovlp.weights import load_egovlp
from avlib.extractors.wavcaps.weights import load_ase
from avlib.io.text_tokens import write_byte_tokenizer, write_word_tokenizer
from avlib.report.curves import draw_curves
from avlib.retrieval.recipes import ENCODER_RECIPES
from avlib.retrieval.rendered_clips import draw_clips, draw_texts
from avlib.retrieval.small_encoders import tokens
from avlib.retrieval.training import train_encoder

LOADERS = {
    "clap": load_clap,
    "ase_audiocaps": load_ase,
    "ase_clotho": load_ase,
    "egovlp": lambda path: load_egovlp(path, 4),
}
KINDS = ["clap", "ase_clotho", "egovlp"]  # one of each architecture
CHANCE = 1 / len(ACTIONS)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    write_byte_tokenizer(folder, spoken_words())
    write_word_tokenizer(folder, vocabulary())
    return folder


def train(network, folder, tokenizer, *, epochs=None):
    """Train by the recipe, or for some epochs on a clip of each action."""
    recipe = ENCODER_RECIPES[network]
    if epochs is not None:
        schedule = replace(recipe.schedule, epochs=epochs)
        recipe = replace(
            recipe, clips_per_action=1, validated_per_action=1, batch_size=6, text_steps=20
        )
        recipe = replace(recipe, schedule=schedule)
    train_encoder(
        network,
        seed=0,
        model_path=folder / "model.safetensors",
        log_path=folder / "log.jsonl",
        metrics_path=folder / "metrics.json",
        tokenizer=tokenizer,
        recipe=recipe,
    )
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines], json.loads((folder / "metrics.json").read_text())


@pytest.mark.parametrize("network", KINDS)
def test_a_short_training_lowers_the_loss_and_is_read_as_published_weights_are(
    tmp_path, tokenizer, network
):
    log, metrics = train(network, tmp_path, tokenizer, epochs=8)
    assert log[-1]["train_pair_loss"] < 0.95 * log[0]["train_pair_loss"]
    assert log[-1]["train_loss"] < log[0]["train_loss"]
    assert len(log) == 8 and metrics["metrics"]["val"] == log[metrics["best_epoch"] - 1]["val"]
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "log.jsonl",
        "metrics.json",
        "model.safetensors",
    ]
    loaded = LOADERS[network](tmp_path / "model.safetensors")
    texts = loaded.text_embeddings(*tokens(network, ["cut pan", "wash cloth"], tokenizer))
    assert texts.shape == (2, 64) and torch.isfinite(texts).all() and not texts[0].equal(texts[1])
    draw_curves(tmp_path / "log.jsonl", tmp_path / "curves.svg", study="retrieval", network=network)


@pytest.mark.parametrize("network", KINDS)
def test_weights_are_the_same_bytes_every_time(tmp_path, tokenizer, network):
    train(network, tmp_path / "a", tokenizer, epochs=1)
    torch.manual_seed(1)  # nothing is drawn from the generator that all share
    train(network, tmp_path / "b", tokenizer, epochs=1)
    for name in ("model.safetensors", "log.jsonl", "metrics.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("network", KINDS)
def test_clips_find_the_text_of_their_action_far_above_chance(tmp_path, tokenizer, network):
    _, metrics = train(network, tmp_path, tokenizer)
    found = metrics["metrics"]["val"]
    for kind in ("original", "llm"):
        assert found[kind]["top1"] > 7 * CHANCE


def test_the_two_encoders_of_ase_have_other_clips_and_the_same_recipe():
    one, other = (draw_clips(name, 1, 0, "x") for name in ("ase_audiocaps", "ase_clotho"))
    assert not one.inputs[0].equal(other.inputs[0])
    assert ENCODER_RECIPES["ase_audiocaps"] == ENCODER_RECIPES["ase_clotho"]


def test_clips_to_train_and_to_validate_on_differ_and_cover_all_actions():
    trained, validated = (draw_clips("egovlp", 2, 0, name) for name in ("trained", "validated"))
    assert np.array_equal(np.bincount(trained.actions), np.full(len(ACTIONS), 2))
    assert not any(a.equal(b) for a, b in zip(trained.inputs, validated.inputs, strict=True))


def test_no_text_of_a_training_is_cut_or_unknown(tokenizer):
    texts = [text for kind in draw_texts(0).values() for drawn in kind for text in drawn]
    for network, unknown in (("clap", 3), ("ase_clotho", 1), ("egovlp", 1)):
        ids, mask = tokens(network, texts, tokenizer)
        assert not ((ids == unknown) & (mask > 0)).any()


def test_a_missing_tokenizer_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no vocab\.txt"):
        train("egovlp", tmp_path, tmp_path, epochs=1)


def test_recipes_are_known_without_torch():
    look = "import sys, avlib.retrieval.recipes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0
