"""The extractor of CLAP's embeddings of intervals."""

import pytest
import torch

from avlib.extractors.clap.intervals import ClapIntervalExtractor, ClapIntervalSettings


@pytest.mark.parametrize("is_allowed", [True, False])
def test_tensor_float_32_is_used_where_it_is_allowed(is_allowed):
    settings = ClapIntervalSettings(seed=0, device="cpu", allow_tf32=is_allowed)
    with torch.backends.cudnn.flags(allow_tf32=not is_allowed):
        ClapIntervalExtractor(None, settings, {})
        assert torch.backends.cudnn.allow_tf32 is is_allowed
