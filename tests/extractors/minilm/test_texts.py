import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from avlib.errors import CheckpointError
from avlib.extractors.minilm.network import MiniLM, weight_shapes
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
    draws = torch.Generator().manual_seed(0)
    state = {n: torch.randn(s, generator=draws) / 20 for n, s in weight_shapes().items()}
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
    network = MiniLM({name: tensor.numpy() for name, tensor in bert.state_dict().items()})
    draws = torch.Generator().manual_seed(0)
    for length in (1, 9):
        tokens = torch.randint(4, 30_000, (3, length), generator=draws)
        mean = bert(tokens).last_hidden_state.mean(1)
        expected = (mean / mean.norm(dim=1, keepdim=True)).numpy()
        np.testing.assert_allclose(network(tokens.numpy()), expected, rtol=1e-5, atol=1e-6)


def test_neither_torch_nor_transformers_is_loaded():
    look = "import sys, avlib.extractors.minilm.texts as _; "
    look += "print({*sys.modules} & {'torch', 'transformers'})"
    run = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_a_folder_without_its_files_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(CheckpointError, match=r"model\.safetensors.*make weights"):
        SentenceEncoder(tmp_path)


def test_weights_that_do_not_fit_or_are_no_numbers_are_refused(folder, tmp_path):
    other = shutil.copytree(folder, tmp_path / "minilm")
    state = load_file(folder / "model.safetensors")
    name = "encoder.layer.5.output.dense.bias"
    for change, message in (
        ({name: torch.zeros(3)}, rf"{name} is F32 \[3\], expected F32 \[384\]"),
        ({name: torch.zeros(384).half()}, f"{name} is F16"),
        ({"more": torch.zeros(2)}, r"more is F32 \[2\], expected absent"),
    ):
        save_file(state | change, other / "model.safetensors")
        with pytest.raises(CheckpointError, match=message):
            SentenceEncoder(other)
    save_file(state | {name: torch.full((384,), torch.nan)}, other / "model.safetensors")
    with pytest.raises(CheckpointError, match="no numbers"):
        SentenceEncoder(other).embed(["a cat"])
    cut = (folder / "model.safetensors").read_bytes()[:-8]
    for content in (b"", b"\0" * 600, b"version https://git-lfs", cut):
        (other / "model.safetensors").write_bytes(content)
        with pytest.raises(CheckpointError, match=r"model\.safetensors"):
            SentenceEncoder(other)
