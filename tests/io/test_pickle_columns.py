"""Column types of pandas in table pickles: those that are read, and those that are passed over."""

import datetime
import decimal
import pickle
import struct

import numpy as np
import pandas as pd
import pytest

from avlib.datasets.published import read_published
from avlib.errors import AvlibError, DataError, UnsafePickleError
from avlib.extractors.intervals import read_published_intervals
from avlib.io.pickles import read_table_pickle

N = 4
IDS = [f"v a_{k}" for k in range(1, N + 1)]
TEXT = pd.StringDtype("python", na_value=np.nan)  # what pandas 3 has without pyarrow


def intervals(**columns) -> pd.DataFrame:
    table = {
        "video_id": pd.array(["v a"] * N, dtype=TEXT),
        "start_sec": np.arange(N) * 0.2,
        "stop_sec": np.arange(N) * 0.2 + 1.1,
        "start_frame": pd.array(range(N), dtype="Int64"),
        "stop_frame": pd.array(range(9, N + 9), dtype="Int64"),
    }
    return pd.DataFrame(table | columns, index=pd.Index(IDS, dtype=TEXT, name="narration_id"))


def saved(path, value, protocol=4):
    path.write_bytes(pickle.dumps(value, protocol))
    return path


CELLS = [pd.Timestamp("2020-01-01", tz="UTC"), decimal.Decimal(1), datetime.date(2020, 1, 1), pd.NA]
OTHERS = {
    "dates": pd.date_range("2020-01-01", periods=N),
    "dates of a place": pd.date_range("2020-01-01", periods=N).tz_localize("Europe/Berlin"),
    "durations": pd.to_timedelta(range(N), unit="s"),
    "months": pd.period_range("2020-01", periods=N, freq="M"),
    "spans": pd.interval_range(0, N),
    "sparse": pd.arrays.SparseArray([0, 0, 1, 0]),
    "cells": np.array(CELLS, dtype=object),
    "Arrow dates": pd.array(pd.date_range("2020-01-01", periods=N), dtype="timestamp[ns][pyarrow]"),
}
READ = {
    "categories": pd.Categorical(["x", None, "z", "x"]),
    "numbers as categories": pd.Categorical([3, None, 5, 3]),
    "text": pd.array(["x", None, "z", ""], dtype=pd.StringDtype("python")),
    "whole numbers": pd.array([1, None, 2**60, -4], dtype="Int64"),
    "numbers": pd.array([1.5, None, 3, 4], dtype="Float64"),
    "truth": pd.array([True, None, False, True], dtype="boolean"),
    "Arrow whole numbers": pd.array([1, None, 3, 4], dtype="int64[pyarrow]"),
    "Arrow numbers": pd.array([1, 2, 3, 4], dtype="double[pyarrow]"),
    "Arrow truth": pd.array([True, None, False, True], dtype="bool[pyarrow]"),
    "Arrow text": pd.array(["ü", None, "", "x"], dtype="string[pyarrow]"),
}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("name", OTHERS)
def test_intervals_are_read_beside_columns_of_other_types(tmp_path, name, protocol):
    path = saved(tmp_path / "t.pkl", intervals(other=OTHERS[name]), protocol)
    found = read_published_intervals(path)
    assert found["interval_id"].to_list() == IDS
    assert found["start_s"].to_list() == [0.0, 0.2, 0.4, 0.2 * 3]
    assert found["start_frame"].to_list() == [0, 1, 2, 3]
    with pytest.raises(DataError, match=r"row 1: other is <.*which is not read"):
        read_published(path, numbers=("other",))


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("name", READ)
def test_a_column_is_read_as_pandas_has_it(tmp_path, name, protocol):
    table = pd.DataFrame({"n": range(N), "other": READ[name]}).iloc[1:]
    path = saved(tmp_path / "t.pkl", table, protocol)
    found, expected = read_table_pickle(path)["other"].to_list(), pd.read_pickle(path)["other"]
    for value, wanted in zip(found, expected.to_list(), strict=True):
        assert (pd.isna(value) and pd.isna(wanted)) or value == wanted


@pytest.mark.parametrize("column", ["index", "categories", "category index", "levels"])
def test_ids_may_be_categories_or_one_of_two_levels(tmp_path, column):
    table = intervals(video_id=pd.Categorical(["v a"] * N))
    if column == "categories":
        table = table.reset_index().assign(narration_id=pd.Categorical(IDS))
    elif column == "category index":
        table = table.set_index(pd.CategoricalIndex(IDS, name="narration_id"))
    elif column == "levels":
        table = table.set_index("video_id", append=True)
    found = read_published_intervals(saved(tmp_path / "t.pkl", table))
    assert found["interval_id"].to_list() == IDS
    assert set(found["video_id"]) == {"v a"}


def test_an_index_of_dates_is_no_column(tmp_path):
    table = pd.DataFrame(
        {"video_id": ["a"], "duration": [2.0]}, index=pd.date_range("2020", "2020")
    )
    found = read_published(saved(tmp_path / "t.pkl", table), texts=("video_id",))
    assert found["video_id"].to_list() == ["a"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("pandas.arrays\nStringArray", "pandas.core.arrays.string_\nStringArray"),
        ("pandas.arrays\nIntegerArray", "pandas.core.arrays.integer\nIntegerArray"),
        ("pandas\nInt64Dtype", "pandas.core.arrays.integer\nInt64Dtype"),
        ("pandas\nCategorical\n", "pandas.core.arrays.categorical\nCategorical\n"),
        ("pandas\nCategoricalDtype", "pandas.core.dtypes.dtypes\nCategoricalDtype"),
        ("pandas.arrays\nDatetimeArray", "pandas.core.arrays.datetimes\nDatetimeArray"),
    ],
)
def test_the_names_of_pandas_1_and_2_are_known(tmp_path, ours, theirs):
    table = intervals(video_id=pd.Categorical(["v a"] * N), made=OTHERS["dates"])
    content = pickle.dumps(table, 2)
    assert f"c{ours}".encode() in content
    (tmp_path / "t.pkl").write_bytes(content.replace(f"c{ours}".encode(), f"c{theirs}".encode()))
    assert len(read_published_intervals(tmp_path / "t.pkl")) == N


def text(word: str) -> bytes:
    return b"X" + struct.pack("<I", len(word)) + word.encode()


def array(shape: bytes, code: str, data: bytes) -> bytes:
    """Return the opcodes of an array of a shape and type made of bytes."""
    named = b"cnumpy._core.numeric\n_frombuffer\n(B" + struct.pack("<I", len(data)) + data
    return named + b"cnumpy\ndtype\n(" + text(code) + b"\x89\x88tR" + shape + text("C") + b"tR"


TRAPS = {
    # 2 ** 31 places in the memo of the unpickler for one number in seven bytes.
    "memo": b"\x80\x04Nr" + struct.pack("<I", 2**31) + b".",
    "no width": b"\x80\x04" + array(b"(J\xff\xff\xff\x7ft", "S0", b"") + b".",
    "columns without rows": b"\x80\x04cpandas._libs.internals\n_unpickle_block\n("
    + array(b"(J\xff\xff\xff\x7fK\x00t", "f8", b"")
    + b"cbuiltins\nslice\n(K\x00J\xff\xff\xff\x7fK\x01tRtR.",
    "shape": b"\x80\x04" + array(b"(J\xff\xff\xff\xffJ\xff\xff\xff\xfft", "f8", b"12345678") + b".",
    "structured": b"\x80\x04" + array(b"(K\x01t", "V8", b"12345678") + b".",
    "objects": b"\x80\x04" + array(b"(K\x01t", "O8", b"12345678") + b".",
    "getattr": b"\x80\x04cbuiltins\ngetattr\ncpandas\nDataFrame\n.",
    "getattr of a zone": b"\x80\x04cbuiltins\ngetattr\n(czoneinfo\nZoneInfo\n"
    + text("__init__")
    + b"tR.",
}


@pytest.mark.parametrize("name", TRAPS)
def test_a_trap_is_refused_at_once(tmp_path, name):
    (tmp_path / "t.pkl").write_bytes(TRAPS[name])
    with pytest.raises(AvlibError, match=r"t\.pkl"):
        read_table_pickle(tmp_path / "t.pkl")


@pytest.mark.parametrize("name", ["getattr", "getattr of a zone"])
def test_getattr_is_for_time_zones_alone(tmp_path, name):
    (tmp_path / "t.pkl").write_bytes(TRAPS[name])
    with pytest.raises(UnsafePickleError, match=r"asks for builtins\.getattr"):
        read_table_pickle(tmp_path / "t.pkl")


def test_one_array_that_is_named_often_does_not_fill_the_memory(tmp_path):
    data = bytes(2**20)
    parts = [b"\x80\x04(B" + struct.pack("<I", len(data)) + data + b"q\x000]"]
    for _ in range(3000):  # three gigabytes in one of 0.2 megabytes more
        parts.append(b"(cnumpy._core.numeric\n_frombuffer\n(h\x00cnumpy\ndtype\n(")
        parts.append(text("u1") + b"\x89\x88tR(J\x00\x00\x10\x00t" + text("C") + b"tRe")
    (tmp_path / "t.pkl").write_bytes(b"".join([*parts, b"."]))
    with pytest.raises(DataError, match="more than its size accounts for"):
        read_table_pickle(tmp_path / "t.pkl")


def test_codes_outside_the_categories_are_refused(tmp_path):
    content = pickle.dumps(pd.DataFrame({"c": pd.Categorical(["x", "y"])}), 4)
    codes = np.array([0, 1], np.int8).tobytes()
    assert content.count(codes) >= 1
    place = content.rindex(codes, 0, content.index(b"Categorical") + 2000)
    for value in (b"\x00\x07", b"\x00\x90"):
        (tmp_path / "t.pkl").write_bytes(content[:place] + value + content[place + 2 :])
        try:
            found = read_table_pickle(tmp_path / "t.pkl")["c"].to_list()
        except DataError:
            continue
        assert set(found) <= {"x", "y"}  # other bytes were changed


@pytest.mark.parametrize(
    "use", [b"}2K\x01s.", b"}(2K\x01u.", b"(2K\x01d.", b"\x8f(2\x90.", b"(2\x91."]
)
def test_tuples_in_tuples_are_never_hashed(tmp_path, use):
    # Forty tuples of two, each twice the one before: its hash takes 2 ** 40 steps.
    laughs = b"\x80\x04K\x01" + b"2\x86" * 40 + b"q\x00"
    content = laughs + use.replace(b"2", b"h\x00")
    (tmp_path / "t.pkl").write_bytes(content)
    with pytest.raises(DataError, match="a key that is a tuple"):
        read_table_pickle(tmp_path / "t.pkl")


def test_values_that_grow_when_they_are_written_are_named_by_type(tmp_path):
    nested: list = []
    for _ in range(60):
        nested = [nested, nested]
    for value, name in ((nested, "a list"), (10**5000, "a int"), ("\ud800", r"'\\ud800'")):
        cells = np.empty(1, dtype=object)
        cells[0] = value
        table = pd.DataFrame({"video": pd.Series(cells, dtype=object)})
        with pytest.raises(DataError, match=f"row 1: video is {name}, expected a text"):
            read_published(saved(tmp_path / "t.pkl", table), texts=("video",))
        with pytest.raises(DataError, match=f"row 1: video is {name}, expected a number"):
            read_published(saved(tmp_path / "t.pkl", table), numbers=("video",))


@pytest.mark.parametrize("where", ["index", "columns"])
def test_rows_and_columns_are_named_by_scalars(tmp_path, where):
    table = pd.DataFrame({"a": [1]})
    name = np.empty(1, dtype=object)
    name[0] = ((1,), (2,)) if where == "index" else 10**5000
    setattr(table, where, pd.Index(name, dtype=object, tupleize_cols=False))
    with pytest.raises(DataError, match="a name that is a"):
        read_table_pickle(saved(tmp_path / "t.pkl", table))
