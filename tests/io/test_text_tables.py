"""Text tables as people bring them: encodings, delimiters, quotes, rows and names of columns."""

import gzip
import os

import pytest

from avlib.errors import DataError
from avlib.io.text_tables import (
    find_delimiter,
    match_columns,
    number_of,
    read_lines,
    read_text_table,
)

KNOWN = ("video_id", "label", "note")
PLAIN = 'video_id,label,note\nv1,"a, b",x\n007,NA,1e5\n'


def saved(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (PLAIN, "utf-8"),
        (PLAIN, "utf-8-sig"),
        (PLAIN, "utf-16"),
        (PLAIN, "utf-32"),
        (PLAIN.replace("\n", "\r\n"), "utf-8"),
        (PLAIN.replace("\n", "\r"), "utf-8"),
        (PLAIN.replace('"a, b"', "a; b").replace(",", "\t").replace(";", ","), "utf-16"),
        (PLAIN.replace('"a, b"', "a+ b").replace(",", ";").replace("+", ","), "utf-8"),
        ('sep=;\nvideo_id;label;note\nv1;"a, b";x\n007;NA;1e5', "utf-8"),
        ('video_id, label, note\n\n v1 , "a, b", x\n,,\n007,NA,1e5\n\n', "utf-8"),
        ('video_id,label,note,\nv1,"a, b",x,\n007,NA,1e5,\n', "utf-8"),
    ],
)
def test_one_table_however_it_is_saved(tmp_path, text, encoding):
    table = read_text_table(saved(tmp_path, text, encoding), KNOWN)
    assert list(table.columns) == list(KNOWN)
    assert [list(row) for row in table.rows] == [["v1", "a, b", "x"], ["007", "NA", "1e5"]]


def test_a_compressed_table_is_unpacked(tmp_path):
    content = gzip.compress(PLAIN.encode()[:20]) + gzip.compress(PLAIN.encode()[20:])
    assert len(read_text_table(saved(tmp_path, content), KNOWN).rows) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "no column 'video_id'; the file is empty"),
        (b"\n \n", "the file is empty"),
        (b'video_id,label\nv1,"dog\nv2,cat\nv3,bird\n', "line 2: a quote is not closed"),
        (b'video_id,label\nv1,"dog\nv2,"cat"\n', "line 2: a quote is not closed"),
        (b'video_id,"label\nv1,dog\n', "line 1: a quote is not closed"),
        (b'video_id;label;note\nv1;dog;x\nv2;cat;"x\n', "line 3: a quote is not closed"),
        (b'video_id,label\nv1,"dog"s\n', "line 2: cannot be split"),
        (b"video_id,label\n\nv1\n", r"line 3 has 1 fields, the header has 2 \(between commas\)"),
        (b"video_id;label\nv1;a;b\n", r"line 2 has 3 fields, .*semicolons\); put a value"),
        (b"video_id,label\nv1,Stra\xdfe\n", "byte 0xdf in line 2 is not UTF-8; .*Latin-1"),
        ("video_id,label\n".encode("utf-16-le"), "a NUL byte in line 1; .*UTF-16 without a mark"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"PK\x03\x04 and so on", "it is an Excel workbook"),
        (b"<!doctype html>", "it is a web page"),
        (b"\x1f\x8b\x08 torn", "damaged gzip"),
        (gzip.compress(PLAIN.encode(), mtime=0)[:-12], "cut off"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message) as error:
        read_text_table(saved(tmp_path, text), KNOWN)
    assert str(error.value).startswith(str(tmp_path / "t.csv"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["folder", "pipe", "absent", "link in a circle"])
def test_only_regular_files_are_opened(tmp_path, kind):
    path = tmp_path / "t.csv"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link in a circle":
        path.symlink_to(path)
    with pytest.raises(DataError, match=r"t\.csv: cannot be read"):
        read_text_table(path, KNOWN)


def test_rows_without_values_are_counted(tmp_path, caplog):
    read_text_table(saved(tmp_path, "video_id,label\n,\nv1,dog\n,\n"), KNOWN)
    assert caplog.messages == [f"{tmp_path / 't.csv'}: 2 rows without any value are passed over"]


def test_lines_end_where_editors_end_them(tmp_path):
    assert read_lines(saved(tmp_path, "a\x0bb\nc\u2028d\r\n\n")) == ["a\x0bb", "c\u2028d"]


def test_the_delimiter_is_the_one_that_finds_the_columns():
    assert find_delimiter("video_id;a,b,c,d", ("video_id",)) == ";"
    assert find_delimiter("a,b;c;d", ()) == ";"
    assert find_delimiter("file", ("file",)) == ","


WANTED = {"file": ("filename",), "label": ("class",), "fold": ()}


def matched(tmp_path, *columns):
    return match_columns(columns, WANTED, tmp_path / "t.csv", required=("file",))


def test_blanks_case_and_other_names_of_columns_are_forgiven(tmp_path):
    assert matched(tmp_path, " FILE Name", "take", "Class") == {"file": 0, "label": 2}
    assert matched(tmp_path, "class", "fold", "file", "label") == {"file": 2, "label": 3, "fold": 1}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (("files", "label"), "no column 'file'; .*is 'files' meant. Rename it to 'file'"),
        (("1", "dog.wav"), "no column 'file'; .*is the header missing"),
        (("file", "folds"), "unknown column 'folds', did you mean 'fold'"),
        (("file", "claas"), "unknown column 'claas', did you mean 'class'"),
        (("file", "label", "Label "), "column 'label' occurs twice"),
    ],
)
def test_a_slip_in_a_name_is_an_error_that_says_the_nearest(tmp_path, columns, message):
    if columns[1] == "claas":
        with pytest.raises(DataError, match=message):
            match_columns(
                columns, WANTED, tmp_path / "t.csv", required=("file",), cutoffs={"label": 0.7}
            )
        return
    with pytest.raises(DataError, match=message):
        matched(tmp_path, *columns)


@pytest.mark.parametrize(
    "text", ["1,5", "1_000", "\uff11", "nan", "inf", "0x10", "", "1e999", "1 2"]
)
def test_a_number_is_written_in_one_way(text):
    with pytest.raises(DataError, match=r"line 2: start_s is .*expected a number"):
        number_of(text, "line 2: start_s")


def test_a_decimal_comma_is_named():
    with pytest.raises(DataError, match="write a point for the decimal comma"):
        number_of("1,5", "line 2: start_s")
    assert [number_of(text, "") for text in ("1.5", "-.5", "+2", "1e5")] == [1.5, -0.5, 2.0, 1e5]


def test_a_value_in_quotes_may_have_line_breaks(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('id,text\na,"a knife\n\nhits ""wood"", twice"\nb,"x"\nc,y\n')
    table = read_text_table(path, ["id", "text"])
    assert list(table.rows) == [["a", 'a knife\nhits "wood", twice'], ["b", "x"], ["c", "y"]]
    assert list(table.lines) == [2, 5, 6]


def test_an_open_quote_takes_no_row_with_it(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('id,text\na,"open\nb,x\nc,"y"\nd,z\n')
    with pytest.raises(DataError, match="line 2: a quote is not closed"):
        read_text_table(path, ["id", "text"])
