import pytest

from avlib.errors import CheckpointError
from avlib.extractors.minilm.weights import minilm_folder


def test_a_folder_with_all_files_is_taken(packaged_weights):
    assert minilm_folder(packaged_weights / "minilm") == packaged_weights / "minilm"


def test_missing_files_are_named_with_the_remedy(tmp_path):
    (tmp_path / "config.json").touch()
    with pytest.raises(CheckpointError) as error:
        minilm_folder(tmp_path)
    assert "no model.safetensors, tokenizer.json, tokenizer_config.json" in str(error.value)
    assert str(error.value).endswith("run `make weights`")
