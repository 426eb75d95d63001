import json

import numpy as np
import pytest
from tiny_golden import GOLDEN, contents

from avlib.datasets.llp import CLASSES
from avlib.errors import ConfigError, DataError
from avlib.valor.captions import CLAP_CAPTIONS, CLIP_CAPTIONS, clap_tokens, clip_tokens


def byte_symbols():
    """Return the 256 characters that stand for bytes in these encodings."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(len(others))]


@pytest.fixture
def clip_tokenizer(tmp_path):
    symbols = byte_symbols()
    words = [*symbols, *(f"{s}</w>" for s in symbols), "<|startoftext|>", "<|endoftext|>"]
    (tmp_path / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(words)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    return tmp_path


@pytest.fixture
def roberta_tokenizer(tmp_path):
    words = ["<s>", "<pad>", "</s>", "<unk>", *byte_symbols(), "<mask>"]
    (tmp_path / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(words)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    return tmp_path


def test_published_captions_need_no_tokenizer():
    case = contents("valor/clip_vit_l14.json")["clip_vit_l14/tokens"]
    assert list(CLIP_CAPTIONS) == case["inputs"]["captions"]["value"]
    with np.load(GOLDEN / "valor/clip_vit_l14.npz") as golden:
        assert np.array_equal(clip_tokens(), golden["token_ids_77"])


def test_there_is_one_text_a_class():
    assert len(CLIP_CAPTIONS) == len(CLAP_CAPTIONS) == len(CLASSES)
    assert CLAP_CAPTIONS[5] == "This is a sound of frying (food)"
    assert CLAP_CAPTIONS[12] == "This is a sound of chicken, rooster"


def test_other_captions_are_tokenised(clip_tokenizer):
    tokens = clip_tokens(["Hi", "A photo of a dog."], clip_tokenizer)
    vocabulary = json.loads((clip_tokenizer / "vocab.json").read_text())
    expected = [vocabulary[w] for w in ("<|startoftext|>", "h", "i</w>", "<|endoftext|>")]
    assert tokens[0, :4].tolist() == expected and not tokens[0, 4:].any()
    assert np.array_equal(tokens[1], clip_tokens()[3])


def test_other_captions_without_a_tokenizer_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="'A dog' is none of the published ones"):
        clip_tokens(["A dog"])
    with pytest.raises(DataError, match=r"no vocab\.json"):
        clip_tokens(["A dog"], tmp_path)


def test_texts_are_padded_and_masked(roberta_tokenizer):
    tokens, mask = clap_tokens(["ab", "b"], roberta_tokenizer)
    a, b = (4 + byte_symbols().index(letter) for letter in "ab")
    assert tokens[:, :5].tolist() == [[0, a, b, 2, 1], [0, b, 2, 1, 1]]
    assert tokens.shape == (2, 77) and (tokens[:, 5:] == 1).all()
    assert mask.sum(axis=1).tolist() == [4, 3] and mask[0, :4].all()


def test_a_text_that_is_too_long_is_refused(roberta_tokenizer):
    with pytest.raises(DataError, match="102 tokens in 'aaa"):
        clap_tokens(["a" * 100], roberta_tokenizer)


def test_a_damaged_tokenizer_is_refused(roberta_tokenizer):
    (roberta_tokenizer / "vocab.json").write_text("{")
    with pytest.raises(DataError, match="not a readable tokenizer of RoBERTa"):
        clap_tokens(["a"], roberta_tokenizer)
