"""Texts in the space of the embeddings of a leg, by the network that scored it."""

import numpy as np
import pytest
import torch
from tiny_towers import save_clap_folder, save_clip_folder

from avlib.errors import DataError
from avlib.io.text_tokens import tokenise
from avlib.tagging.archive import Leg
from avlib.tagging.text_towers import (
    cosine_scale,
    label_vectors,
    load_network,
    text_vectors,
    weights_name,
)

TEXTS = ["water running", "dog", "a cat", "cat"]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("towers")
    return {
        "clap": save_clap_folder(folder / "clap"),
        "clip": save_clip_folder(folder / "clip"),
    }


def leg(name, checkpoint, scale=5.0):
    return Leg(name, weights_name(checkpoint, 0), (), 0, scale)


@pytest.mark.parametrize("name", ["clap", "clip"])
def test_a_text_has_the_vector_that_the_tower_gives_it_alone(checkpoints, name):
    path = checkpoints[name]
    found = text_vectors(leg(name, path), TEXTS, path, path.parent)
    assert found.dtype == np.float32
    network = load_network(name, path, 0)
    for text, vector in zip(TEXTS, found, strict=True):
        tokens = torch.tensor(
            tokenise([text], path.parent, {"clap": "RoBERTa", "clip": "CLIP"}[name], 30)
        )
        with torch.inference_mode():
            given = (tokens, torch.ones_like(tokens)) if name == "clap" else (tokens,)
            own = network.text_embeddings(*given)[0].numpy()
        np.testing.assert_allclose(vector, own, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert abs(found[1] - found[3]).max() > 1e-4


@pytest.mark.parametrize("name", ["clap", "clip"])
def test_texts_longer_than_the_network_takes_are_cut(checkpoints, name):
    path = checkpoints[name]
    long = "very " * 60 + "long"
    found = text_vectors(leg(name, path), [long, long + " indeed"], path, path.parent)
    np.testing.assert_array_equal(found[0], found[1])


def test_other_weights_than_those_of_the_seconds_are_refused(checkpoints):
    kind = leg("clip", checkpoints["clap"])
    with pytest.raises(DataError, match="not the weights of clip that the seconds were scored by"):
        text_vectors(kind, TEXTS, checkpoints["clip"], checkpoints["clip"].parent)
    with pytest.raises(DataError, match="untrained: not the weights"):
        text_vectors(kind, TEXTS, None, checkpoints["clip"].parent)


def test_a_tokenizer_of_another_network_is_named(checkpoints, tmp_path):
    path = checkpoints["clip"]
    with pytest.raises(DataError, match=r"clap: (has more tokens than|not a readable tokenizer)"):
        text_vectors(leg("clip", path), TEXTS, path, checkpoints["clap"].parent)
    with pytest.raises(DataError, match=r"no vocab\.json; expected that of the published CLIP"):
        text_vectors(leg("clip", path), TEXTS, path, tmp_path)


def test_labels_come_with_what_else_there_is_and_the_scale_of_their_leg(checkpoints):
    path = checkpoints["clip"]
    kind = leg("clip", path, scale=cosine_scale(load_network("clip", path, 0)))
    found = label_vectors(kind, ["dog", "cat"], path, path.parent)
    assert found.labels.shape == (2, 24)
    assert found.others.shape[0] >= 1
    assert found.scale == pytest.approx(np.exp(2.6592), rel=1e-4)
    assert kind.takes_texts and not Leg("yamnet", "aa", (), 3).takes_texts
