"""Labels in free text: their file, and what they mean."""

import numpy as np
import pytest
from scored_packs import KINDS

from avlib.errors import DataError
from avlib.extractors.minilm.texts import SentenceEncoder
from avlib.tagging.vocabulary import NEAR, meanings_of, name_vectors, read_labels


class Letters:
    """A stand-in whose texts are near where they have letters in common."""

    def __init__(self):
        self.calls = 0

    def embed(self, texts):
        self.calls += 1
        counts = np.array(
            [[t.lower().count(c) for c in "abcdefghijklmnopqrstuvwxyz"] for t in texts]
        )
        return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)


def test_labels_are_the_lines_of_a_file(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("\ufeffdog barks\n\n  water   running \r\nÉtude\n", "utf-8")
    assert read_labels(path) == ["dog barks", "water running", "Étude"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"dog\ncat\n\ndog\n", r"row 4: 'dog' is also row 1; remove one"),
        (b"\n \n", "no labels; write what to look for, one a line"),
        (b"\xff\xfe\x00", "not a text file in UTF-8"),
    ],
)
def test_a_wrong_file_of_labels_is_one_line(tmp_path, content, message):
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_labels(path)
    with pytest.raises(DataError, match="not a text file"):
        read_labels(tmp_path / "none.txt")


def test_vectors_of_names_are_made_once_and_again_where_they_are_damaged(tmp_path):
    encoder, names = Letters(), ("Dog", "Cat")
    first = name_vectors(names, encoder.embed, tmp_path)
    np.testing.assert_array_equal(name_vectors(names, encoder.embed, tmp_path), first)
    assert encoder.calls == 1
    next(tmp_path.glob("*.npy")).write_bytes(b"\x93NUMPY")
    np.testing.assert_array_equal(name_vectors(names, encoder.embed, tmp_path), first)
    name_vectors(("Cat", "Dog"), encoder.embed, tmp_path)
    assert encoder.calls == 3


def test_labels_keep_their_meaning_where_others_are_left_out(tmp_path):
    found = meanings_of(["dog", "zzz"], KINDS, Letters().embed, tmp_path)
    assert found.nearest(0)["sound"][0] == "Dog"
    assert found.reliability[0] == pytest.approx(1)
    assert "label 'zzz': no class is near (the nearest are" in found.remark(1)
    kept = found.only(found.reliability >= NEAR)
    assert kept.given == ["dog"]
    for leg, weights in kept.weights.items():
        np.testing.assert_array_equal(weights.weights[0], found.weights[leg].weights[0])
    assert kept.summary().keys() == {"dog"}


def test_real_sentences_are_near_what_they_mean(packaged_weights, tmp_path):
    embed = SentenceEncoder(packaged_weights / "minilm").embed
    texts = ["a dog barks", "someone talks", "tax return"]
    found = meanings_of(texts, KINDS, embed, tmp_path)
    assert found.nearest(0)["sound"][0] == "Dog"
    assert found.nearest(1)["sound"][0] == "Speech"
    assert (found.reliability >= NEAR).tolist() == [True, True, False]
