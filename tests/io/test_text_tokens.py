import json

import numpy as np
import pytest

from avlib.datasets.miniature.kitchen_texts import vocabulary
from avlib.errors import DataError
from avlib.io.text_tokens import (
    BYTE_VOCABULARY,
    padded,
    tokenise,
    write_byte_tokenizer,
    write_word_tokenizer,
)

TEXTS = ["put pan on counter", "Quixotic 7-Up!", "cut / chop"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("tokenizer")
    write_word_tokenizer(made, vocabulary())
    return made


def test_words_of_the_miniatures_are_one_token_each_and_no_word_is_unknown(folder):
    words = vocabulary()
    rows = tokenise(TEXTS, folder, "BERT", 30)
    named = [[words[token] for token in row] for row in rows]
    assert named[0] == ["[CLS]", "put", "pan", "on", "counter", "[SEP]"]
    assert named[2] == ["[CLS]", "cut", "/", "chop", "[SEP]"]
    assert named[1][:4] == ["[CLS]", "q", "##u", "##i"]
    assert not [row for row in named if "[UNK]" in row]


def test_a_longer_text_is_cut_where_asked_and_an_error_otherwise(folder):
    (row,) = tokenise(["put " * 50], folder, "BERT", 30, cuts=True)
    whole = tokenise(["put pan"], folder, "BERT", 30)[0]
    assert len(row) == 30 and row[0] == whole[0] and row[-1] == whole[-1]
    with pytest.raises(DataError, match="52 tokens in 'put put"):
        tokenise(["put " * 50], folder, "BERT", 30)


def test_the_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no vocab\.txt"):
        tokenise(TEXTS, tmp_path, "BERT", 30)
    write_byte_tokenizer(tmp_path)
    (tmp_path / "merges.txt").unlink()
    with pytest.raises(DataError, match=r"no merges\.txt"):
        tokenise(TEXTS, tmp_path, "RoBERTa", 30)


def test_padding_is_masked():
    tokens, mask = padded([[7, 8, 9], [5]], 1)
    assert np.array_equal(tokens, [[7, 8, 9], [5, 1, 1]])
    assert np.array_equal(mask, [[1, 1, 1], [1, 0, 0]])


def test_words_of_a_byte_tokenizer_are_one_token_after_a_space(tmp_path):
    write_byte_tokenizer(tmp_path, ["pan", "counter", "put"])
    rows = tokenise(["put pan on counter", "pans"], tmp_path, "RoBERTa", 30)
    words = json.loads((tmp_path / "vocab.json").read_text("utf-8"))
    names = {token: word for word, token in words.items()}
    named = [[names[token] for token in row] for row in rows]
    assert named[0] == ["<s>", "put", "Ġpan", "Ġ", "o", "n", "Ġcounter", "</s>"]
    assert named[1] == ["<s>", "pan", "s", "</s>"]


def test_a_byte_tokenizer_without_words_has_the_bytes_alone(tmp_path):
    write_byte_tokenizer(tmp_path)
    assert len(json.loads((tmp_path / "vocab.json").read_text("utf-8"))) == BYTE_VOCABULARY
    assert (tmp_path / "merges.txt").read_text("utf-8") == "#version: 0.2\n"
