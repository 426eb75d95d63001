import numpy as np
import pytest

from avlib.verify.operations import OPERATIONS


@pytest.mark.parametrize("shape", [(5, 2), (2, 5), (3, 0)])
def test_clips_with_different_numbers_of_texts_are_refused(shape):
    recall = OPERATIONS["retrieval", "recall"].function
    with pytest.raises(ValueError, match=f"got {shape[0]} of {shape[1]} clips"):
        recall(sims=np.zeros(shape))
