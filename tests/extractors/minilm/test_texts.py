import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from avlib.errors import CheckpointError
from avlib.extractors.minilm.network import MiniLM
from avlib.extractors.minilm.texts import LONGEST, SentenceEncoder
from avlib.extractors.weights import untrained

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "cat", "dog", "rain", "pur", "##rs"]


def write_tokenizer(path):
    """Write a small tokenizer of BERT's kind, which pads and cuts as the published one does."""
    numbers = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, ends)
    tokenizer.enable_padding(length=128)
    tokenizer.enable_truncation(128)
    tokenizer.save(str(path))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("minilm")
    state = untrained(MiniLM, 0).state_dict()
    state["embeddings.position_ids"] = torch.arange(512)[None]
    state |= {"pooler.dense.weight": torch.zeros(384, 384), "pooler.dense.bias": torch.zeros(384)}
    save_file(state, folder / "model.safetensors")
    write_tokenizer(folder / "tokenizer.json")
    for name in ("config.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).write_text(json.dumps({}))
    return folder


@pytest.fixture(scope="module")
def encoder(folder):
    return SentenceEncoder(folder)


def test_tokens_are_cut_at_256_and_not_padded(encoder):
    assert encoder.tokens(["A CAT purrs", ""]) == [[2, 4, 5, 8, 9, 3], [2, 3]]
    (cut,) = encoder.tokens(["rain " * 1000])
    assert len(cut) == LONGEST and cut[-1] == 3


def test_vectors_have_length_1_and_do_not_depend_on_their_batch(encoder):
    texts = ["a cat", "rain " * 300, "", "a dog purrs"] * 10
    together = encoder.embed(texts)
    assert together.shape == (40, 384) and together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for number in range(4):
        np.testing.assert_allclose(encoder.embed([texts[number]])[0], together[number], atol=1e-6)
        np.testing.assert_allclose(together[number + 36], together[number], atol=1e-6)
    assert encoder.embed([]).shape == (0, 384)


@torch.inference_mode()
def test_the_network_is_the_bert_of_transformers():
    config = BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
    )
    bert = untrained(lambda: BertModel(config, add_pooling_layer=False), 0)
    network = MiniLM().eval()
    network.load_state_dict(bert.state_dict())
    draws = torch.Generator().manual_seed(0)
    tokens = torch.randint(4, 30_000, (3, 9), generator=draws)
    is_token = torch.arange(9) < torch.tensor([[9], [4], [2]])
    hidden = bert(tokens, attention_mask=is_token.long()).last_hidden_state
    mean = (hidden * is_token[..., None]).sum(1) / is_token.sum(1, keepdim=True)
    expected = mean / mean.norm(dim=1, keepdim=True)
    torch.testing.assert_close(network(tokens, is_token), expected, rtol=1e-5, atol=1e-6)


def test_a_folder_without_its_files_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(CheckpointError, match=r"model\.safetensors.*make weights"):
        SentenceEncoder(tmp_path)
