import io
import os

import numpy as np
import pytest

from avlib.extractors.clap.messages import read_message, write_message

ARRAYS = {"text": np.array("naïve"), "map": np.arange(6, dtype=np.float32).reshape(2, 3)}


def test_messages_arrive_one_by_one_as_they_were():
    stream = io.BytesIO()
    write_message(stream, ARRAYS)
    write_message(stream, {"n": np.array(3)})
    stream.seek(0)
    first, second = read_message(stream), read_message(stream)
    assert str(first["text"]) == "naïve" and first["map"].dtype == np.float32
    np.testing.assert_array_equal(first["map"], ARRAYS["map"])
    assert second == {"n": 3}
    assert read_message(stream) is None


@pytest.mark.parametrize("kept", [4, 100])
def test_a_cut_message_is_no_message(kept):
    stream = io.BytesIO()
    write_message(stream, ARRAYS)
    with pytest.raises(EOFError, match="ended"):
        read_message(io.BytesIO(stream.getvalue()[:kept]))


def test_objects_are_neither_sent_nor_read():
    with pytest.raises(ValueError, match="allow_pickle"):
        write_message(io.BytesIO(), {"a": np.array([object()])})
    stream = io.BytesIO()
    np.savez(stream, a=np.array([os.getcwd]))
    content = stream.getvalue()
    with pytest.raises(ValueError, match="allow_pickle"):
        read_message(io.BytesIO(len(content).to_bytes(8, "little") + content))
