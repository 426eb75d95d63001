import builtins
import functools
import io
import operator
import os
import pickle
import struct

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avlib.errors import AvlibError, DataError, UnsafePickleError
from avlib.io.pickle_parts import PickledDtype
from avlib.io.pickles import (
    read_array_dict,
    read_id_array,
    read_table_pickle,
    write_array_dict,
    write_id_array,
    write_table_pickle,
)


class Calls:
    """An object whose pickle calls `function(*arguments)`."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


def table() -> pd.DataFrame:
    index = pd.Index(["a b_1", "a b_2", "ü_1"], dtype=object, name="narration_id")
    columns = {
        "video_id": np.array(["a b", "a b", "ü"], dtype=object),
        "start_sec": [0.0, 0.2, 1e-3],
        "start_frame": [0, 6, -1],
        "is_long": [True, False, True],
        "nouns": np.array([["tap", 1], [], ["pan"]], dtype=object),
    }
    frame = pd.DataFrame({k: pd.Series(v, index) for k, v in columns.items()})
    frame.columns = pd.Index(list(columns), dtype=object)
    return frame.astype({"video_id": object})


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_table_is_read_from_every_protocol_in_use(tmp_path, protocol):
    path = written(tmp_path / "t.pkl", pickle.dumps(table(), protocol))
    pd.testing.assert_frame_equal(read_table_pickle(path), table())


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_text_columns_of_pandas_3_become_objects(tmp_path, protocol):
    modern = table().astype({"video_id": "str"})
    modern.iloc[1, 0] = np.nan
    got = read_table_pickle(written(tmp_path / "t.pkl", pickle.dumps(modern, protocol)))
    assert got["video_id"].dtype == object
    assert got["video_id"].to_list()[::2] == ["a b", "ü"]
    assert pd.isna(got["video_id"].iloc[1])


def test_a_part_of_a_text_column_is_read_with_its_offset(tmp_path):
    modern = pd.DataFrame({"video_id": [f"v{i}" for i in range(9)]}).iloc[4:7]
    got = read_table_pickle(written(tmp_path / "t.pkl", modern))
    assert got["video_id"].to_list() == ["v4", "v5", "v6"]
    assert got.index.to_list() == [4, 5, 6]


@pytest.mark.filterwarnings("ignore:numpy.core:DeprecationWarning")  # of the oracle
@pytest.mark.parametrize(
    "name",
    [
        "epic100/EPIC_100_validation.pkl",
        "epic100/EPIC_100_retrieval_test_sentence.pkl",
        "epic_sounds/EPIC_Sounds_validation.pkl",
    ],
)
def test_the_published_tables_are_read_as_pandas_reads_them(shared_data, name, tmp_path):
    expected = pd.read_pickle(shared_data / name)
    pd.testing.assert_frame_equal(read_table_pickle(shared_data / name), expected)
    write_table_pickle(expected, tmp_path / "copy.pkl")
    pd.testing.assert_frame_equal(pd.read_pickle(tmp_path / "copy.pkl"), expected)


def test_a_written_table_names_only_what_older_libraries_have(tmp_path):
    write_table_pickle(table().astype({"video_id": "str"}), tmp_path / "t.pkl")
    content = (tmp_path / "t.pkl").read_bytes()
    assert b"StringDtype" not in content
    assert b"pyarrow" not in content
    pd.testing.assert_frame_equal(pd.read_pickle(tmp_path / "t.pkl"), table())


def test_equal_tables_give_equal_bytes(tmp_path):
    one = table()
    other = table()
    other["video_id"] = np.array(["".join(["a", " b"]) for _ in range(2)] + ["ü"], dtype=object)
    other = pd.concat([other[["video_id"]], other.drop(columns="video_id")], axis=1)
    write_table_pickle(one, tmp_path / "one.pkl")
    write_table_pickle(other, tmp_path / "other.pkl")
    assert (tmp_path / "one.pkl").read_bytes() == (tmp_path / "other.pkl").read_bytes()


MALICIOUS = {
    "posix.system": Calls(os.system, "touch {flag}"),
    "builtins.eval": Calls(eval, "open({flag!r}, 'w')"),
    "builtins.exec": Calls(exec, "open({flag!r}, 'w')"),
    "builtins.getattr": Calls(getattr, Calls(dict), "keys"),
    "builtins.__import__": Calls(builtins.__import__, "os"),
    "operator.attrgetter": Calls(operator.attrgetter, "__class__.__base__"),
    "io.open": Calls(io.open, "{flag}", "w"),
    "pandas.read_pickle": Calls(pd.read_pickle, "{flag}"),
    "pandas.eval": Calls(pd.eval, "1 + 1"),
    "numpy.load": Calls(np.load, "{flag}", None, True),
}


def armed(value, flag):
    """Return `value` with the path of the flag file filled in."""
    if isinstance(value, Calls):
        function, arguments = value.reduced
        return Calls(function, *(armed(a, flag) for a in arguments))
    return value.format(flag=str(flag)) if isinstance(value, str) else value


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("in_table", [False, True])
@pytest.mark.parametrize("name", MALICIOUS)
def test_a_pickle_that_calls_is_refused_by_name_and_not_executed(
    tmp_path, name, in_table, protocol
):
    flag = tmp_path / "executed"
    content = armed(MALICIOUS[name], flag)
    if in_table:
        content = pd.DataFrame({"x": np.array([1, content], dtype=object)})
    path = written(tmp_path / "evil.pkl", pickle.dumps(content, protocol))
    spelled = name.replace("builtins", "__builtin__") if protocol < 3 else name
    if in_table and protocol == 0:
        spelled = "copy_reg._reconstructor"
    with pytest.raises(UnsafePickleError, match=r"evil\.pkl.*asks for") as error:
        read_table_pickle(path)
    assert f"asks for {spelled}," in str(error.value)
    assert "\n" not in str(error.value)
    assert not flag.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("scipy._lib._util", "_lazywhere"),
        ("numpy.testing", "run_module_suite"),
        ("numpy.testing._private.utils", "runstring"),
        ("numpy.f2py.crackfortran", "myeval"),
        ("numpy.core.multiarray", "_reconstruct.__globals__"),
        ("numpy", "core.multiarray._reconstruct"),
        ("pandas.core.frame", "DataFrame.eval"),
        ("pandas", "core.computation.eval.eval"),
        ("pandas.core.indexes.base", "_new_Index.__globals__"),
        ("pandas.io.pickle", "read_pickle"),
        ("functools", "reduce"),
        ("builtins", "map"),
        ("copyreg", "__newobj__"),
    ],
)
def test_near_misses_of_permitted_names_are_refused(tmp_path, module, name):
    text = (module.encode(), name.encode())
    stack_global = b"\x80\x04" + b"".join(b"\x8c" + bytes([len(t)]) + t for t in text) + b"\x93."
    in_line = b"c" + text[0] + b"\n" + text[1] + b"\n."
    for content in (stack_global, in_line):
        with pytest.raises(UnsafePickleError) as error:
            read_table_pickle(written(tmp_path / "evil.pkl", content))
        assert f"asks for {module}.{name}," in str(error.value)


def test_a_partial_of_anything_but_a_block_is_refused(tmp_path):
    content = functools.partial(pd.Index, [1])
    with pytest.raises(UnsafePickleError, match=r"functools\.partial"):
        read_table_pickle(written(tmp_path / "evil.pkl", content))


def test_a_structured_array_type_is_refused(tmp_path):
    # Such a type can declare eight raw bytes to be the address of an object.
    array = np.zeros(2, dtype=[("a", "V8")])
    array.dtype = np.dtype({"names": ["a"], "formats": ["f8"], "offsets": [0], "itemsize": 8})
    with pytest.raises(UnsafePickleError, match="array type"):
        read_table_pickle(written(tmp_path / "evil.pkl", array))


SCALAR = b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR"  # its type; no data
RAW_OBJECTS = {
    "scalar": SCALAR + b"S'abcdefgh'\ntR.",
    "scalar of a list": SCALAR + b"(lI7\natR.",
    "scalar inside a list": b"(l" + SCALAR + b"S'abcdefgh'\ntRa.",
}


@pytest.mark.parametrize("name", RAW_OBJECTS)
def test_an_object_made_of_raw_bytes_is_refused(tmp_path, name):
    # The eight bytes would be taken for the address of an object, and its methods would run.
    with pytest.raises(UnsafePickleError, match="objects made of raw bytes"):
        read_table_pickle(written(tmp_path / "evil.pkl", RAW_OBJECTS[name]))


@pytest.mark.parametrize("data", [b"abcdefgh", "abcdefgh", [1]])
def test_no_route_of_the_reader_turns_bytes_into_an_object(data):
    with pytest.raises(UnsafePickleError, match="objects made of raw bytes"):
        PickledDtype("O8").read((), data)


def test_another_codec_than_latin1_is_refused(tmp_path):
    content = b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x04\x00\x00\x00zlib\x86R."
    with pytest.raises(UnsafePickleError, match="'zlib'"):
        read_table_pickle(written(tmp_path / "evil.pkl", content))


@pytest.mark.parametrize("name", ["DataFrame", "Index"])
def test_a_pickle_cannot_change_a_class(tmp_path, name):
    module = b"pandas"
    # BUILD with (None, {"evil": 1}) sets attributes on whatever is on the stack.
    content = (
        b"\x80\x02c" + module + b"\n" + name.encode() + b"\nN}X\x04\x00\x00\x00evilK\x01s\x86b."
    )
    with pytest.raises(AvlibError):
        read_table_pickle(written(tmp_path / "evil.pkl", content))
    assert not hasattr(getattr(pd, name), "evil")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".",
        pickle.dumps(table(), 4)[:-200],
        pickle.dumps(table(), 4)[:40],
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",  # BINBYTES8
        b"\x80\x04\x8d" + struct.pack("<Q", 2**63 - 1) + b"x.",  # BINUNICODE8
        b"\x80\x05\x96" + struct.pack("<Q", 2**62) + b"x.",  # BYTEARRAY8
        b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"x.",  # LONG4
        b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.",  # FRAME
        b"\x80\x09N.",
        b"PK\x03\x04 not a pickle",
        pickle.dumps([1, 2]),
        pickle.dumps(table()["video_id"].to_dict()),
    ],
    ids=range(13),
)
def test_a_damaged_file_is_one_line(tmp_path, content):
    with pytest.raises(DataError, match=r"t\.pkl") as error:
        read_table_pickle(written(tmp_path / "t.pkl", content))
    assert "\n" not in str(error.value)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_table_pickle(tmp_path / "absent.pkl")


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes_never_raise_anything_else(tmp_path_factory, changes):
    content = bytearray(pickle.dumps(table(), 4))
    for place, value in changes:
        content[place % len(content)] = value
    path = written(tmp_path_factory.mktemp("p") / "t.pkl", bytes(content))
    try:
        read_table_pickle(path)
    except (DataError, UnsafePickleError) as error:
        assert "t.pkl" in str(error)


def test_ids_survive_a_round_trip(tmp_path):
    ids = ["-a_1", "ü b_2", "x" * 300 + "_10", "-a_1"]
    write_id_array(ids, tmp_path / "metadata.npy")
    assert read_id_array(tmp_path / "metadata.npy") == ids
    loaded = np.load(tmp_path / "metadata.npy", allow_pickle=True)  # as the original reads it
    assert loaded.dtype == object
    assert loaded.tolist() == ids


def test_equal_ids_give_equal_bytes(tmp_path):
    write_id_array(["ab_1", "ab_1"], tmp_path / "one.npy")
    write_id_array(["ab_1", "".join(["ab", "_1"])], tmp_path / "other.npy")
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "other.npy").read_bytes()


def test_ids_of_fixed_width_are_read_too(tmp_path):
    np.save(tmp_path / "metadata.npy", np.array(["a_1", "b_22"]))
    assert read_id_array(tmp_path / "metadata.npy") == ["a_1", "b_22"]


def test_an_id_array_that_calls_is_refused(tmp_path):
    path = tmp_path / "metadata.npy"
    array = np.array([Calls(os.system, f"touch {tmp_path}/flag")], dtype=object)
    np.save(path, array, allow_pickle=True)
    with pytest.raises(UnsafePickleError, match=r"metadata\.npy.*posix\.system"):
        read_id_array(path)
    assert not (tmp_path / "flag").exists()


@pytest.mark.parametrize("array", [np.zeros(3), np.array([["a_1"]]), np.array([1, "a"], object)])
def test_an_array_of_anything_but_ids_is_refused(tmp_path, array):
    np.save(tmp_path / "metadata.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=r"metadata\.npy"):
        read_id_array(tmp_path / "metadata.npy")


@pytest.mark.parametrize("keep", [0, 5, 60, -3])
def test_a_truncated_id_array_is_refused(tmp_path, keep):
    path = tmp_path / "metadata.npy"
    write_id_array(["a_1", "a_2"], path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"metadata\.npy"):
        read_id_array(path)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_dictionary_of_arrays_is_read_from_every_protocol_in_use(tmp_path, protocol):
    arrays = {"probs": np.arange(6, dtype=np.float32).reshape(2, 3), "none": np.zeros((0, 4))}
    arrays["ids"] = np.array(["v_ü", "a_1"], dtype=object)
    path = written(tmp_path / "d.pkl", pickle.dumps(arrays, protocol))
    found = read_array_dict(path)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    write_array_dict(found, tmp_path / "e.pkl")
    copy = pickle.loads((tmp_path / "e.pkl").read_bytes())
    assert copy["ids"].tolist() == ["v_ü", "a_1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds a list, expected a dictionary"),
        ({"x": 1}, "'x' is a int, expected an array"),
    ],
)
def test_another_object_is_no_dictionary_of_arrays(tmp_path, content, message):
    with pytest.raises(DataError, match=rf"d\.pkl: {message}"):
        read_array_dict(written(tmp_path / "d.pkl", content))


def test_a_dictionary_with_calls_is_refused(tmp_path):
    path = written(tmp_path / "d.pkl", {"x": Calls(os.system, "true")})
    with pytest.raises(UnsafePickleError, match=r"posix\.system"):
        read_array_dict(path)
