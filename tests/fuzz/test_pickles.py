"""Damaged and hostile table pickles are read or refused, and nothing else.

Half of the files are pickles of tables with every type of column, of which bytes or operations were
changed; the other half are programs that call every permitted name with anything.
"""

import io
import pickle
import pickletools
import random
import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from fuzz_children import check, read_all
from mutations import mutate
from pickle_programs import LONG, NAMES, NUMBERS, TYPES, WORDS, Programs, glob, number, word

FILES = 5000
N = 3


def tables() -> list[pd.DataFrame]:
    text = pd.StringDtype("python", na_value=np.nan)
    ids = [f"v_{k}" for k in range(1, N + 1)]
    plain = pd.DataFrame(
        {
            "video_id": pd.array(["v"] * N, dtype=text),
            "start_sec": np.arange(N) * 0.2,
            "stop_sec": np.arange(N) * 0.2 + 1.1,
        },
        index=pd.Index(ids, dtype=object, name="narration_id"),
    )
    columns = [
        pd.Categorical(["x", None, "z"]),
        pd.Categorical([3, None, 5]),
        pd.array([1, None, 3], dtype="Int64"),
        pd.array([1.5, None, 3], dtype="Float64"),
        pd.array([True, None, False], dtype="boolean"),
        pd.array(["x", None, "ü"], dtype="str"),
        pd.array([1, None, 3], dtype="int64[pyarrow]"),
        pd.array([True, None, False], dtype="bool[pyarrow]"),
        pd.date_range("2020-01-01", periods=N).tz_localize("Europe/Berlin"),
        pd.to_timedelta(range(N), unit="s"),
        pd.period_range("2020-01", periods=N, freq="M"),
        pd.interval_range(0, N),
        pd.arrays.SparseArray([0, 0, 1]),
        np.array([pd.Timestamp(0), pd.NA, np.float32(2)], dtype=object),
        np.array([["tap", 1], [], ["pan"]], dtype=object),
        np.array(["a", "ü", ""]),
    ]
    made = [plain, plain.reset_index(), plain.set_index("video_id", append=True)]
    return made + [plain.assign(other=column) for column in columns]


def seeds() -> dict[str, list[bytes]]:
    """Return whole pickles by the first word of their files' names."""
    arrays = {"probs": np.arange(6.0).reshape(2, 3), "ids": np.array(["v", "ü"], dtype=object)}
    ids = [np.array(["a_1", "b_2"], dtype=object), np.array(["a_1", "b_2"])]
    return {
        "table": [pickle.dumps(t, p) for t in tables() for p in (2, 4, 5)],
        "arrays": [pickle.dumps(arrays, p) for p in (2, 4, 5)],
        "ids": [_npy(array) for array in ids],
    }


def _npy(array) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=True)
    return file.getvalue()


def change_operations(content: bytes, chance: random.Random) -> bytes:
    """Return a pickle with one to three operations changed, removed, repeated or moved."""
    places = [place for _, _, place in pickletools.genops(content)] + [len(content)]
    parts = [content[a:b] for a, b in pairwise(places)]
    # The lengths that frames announce no longer fit.
    parts = [part for part in parts if part[:1] != b"\x95"]
    for _ in range(chance.choice((1, 1, 2, 3))):
        at = chance.randrange(len(parts))
        match chance.randrange(6):
            case 0:
                parts[at] = number(chance.choice((*NUMBERS, *LONG)))
            case 1:
                parts[at] = word(chance.choice((*WORDS, *TYPES)))
            case 2:
                del parts[at]
            case 3:
                parts.insert(at, chance.choice(parts))
            case 4:
                parts[at] = glob(".".join(chance.choice(NAMES)))
            case 5:
                parts[at] = bytes([chance.choice(OPCODES)]) + parts[at][1:]
    return b"".join(parts)


OPCODES = b"".join(op.code.encode("latin1") for op in pickletools.opcodes)


@pytest.mark.slow
def test_damaged_pickles_are_read_or_refused(tmp_path, record_property):
    chance = random.Random(29)
    whole, programs = seeds(), Programs(chance)
    donors = [content for contents in whole.values() for content in contents]
    files, met = [], set()
    for place in range(FILES):
        name = chance.choices(list(whole), (8, 1, 1))[0]
        seed = chance.choice(whole[name])
        match place % 4:
            case 0:
                content = mutate(seed, donors, chance)
            case 1 if name != "ids":
                content = change_operations(seed, chance)
            case _:
                name = "arrays" if name == "ids" else name
                content = programs.program(place // 2)
        files.append(tmp_path / f"{name}-{place}.{'npy' if name == 'ids' else 'pkl'}")
        files[-1].write_bytes(content)
        met |= set(re.findall(rb"c([\w.]+)\n(\w+)\n", content))
    assert met >= {(module.encode(), name.encode()) for module, name in NAMES}
    for name, contents in whole.items():
        files.append(tmp_path / f"{name}-whole.{'npy' if name == 'ids' else 'pkl'}")
        files[-1].write_bytes(contents[0])
    counts = read_all("pickles", files[:FILES], "fuzz_readers:read")
    check(counts, record_property)
    assert read_all("whole", files[FILES:], "fuzz_readers:read").number["read"] == len(whole)
