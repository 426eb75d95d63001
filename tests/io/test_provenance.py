import ast
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from avlib.extractors.registry import EXTRACTORS
from avlib.io import provenance


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `avlib` of two modules, of which one imports the other."""
    (tmp_path / "io").mkdir()
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "io" / "provenance.py"))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "low.py").write_text('"""Low."""\n\ndef f():\n    """Give 1."""\n    return 1\n')
    (tmp_path / "high.py").write_text("from avlib.low import f\n\nf()\n")
    (tmp_path / "other.py").write_text("x = 1\n")
    return tmp_path


def fingerprint(*modules):
    """Take the fingerprint as a new process does."""
    for name in ("code_fingerprint", "_source", "_syntax", "_kept"):
        getattr(provenance, name).cache_clear()
    return provenance.code_fingerprint(*modules)


def test_comments_and_documentation_do_not_count(package):
    before = fingerprint("avlib.high")
    (package / "low.py").write_text("# why\ndef f():\n    return  1\n")
    assert fingerprint("avlib.high") == before


def test_a_change_in_an_imported_module_counts(package):
    before = fingerprint("avlib.high")
    (package / "low.py").write_text("def f():\n    return 2\n")
    assert fingerprint("avlib.high") != before


def test_a_change_elsewhere_does_not_count(package):
    before = fingerprint("avlib.high")
    (package / "other.py").write_text("x = 2\n")
    assert fingerprint("avlib.high") == before


def test_what_was_parsed_once_is_not_parsed_again(package, monkeypatch):
    before = fingerprint("avlib.high")
    monkeypatch.delattr(ast, "parse")
    assert fingerprint("avlib.high") == before


def test_a_change_of_neither_size_nor_time_counts(package):
    before = fingerprint("avlib.high")
    path = package / "low.py"
    time_ns = path.stat().st_mtime_ns
    path.write_text(path.read_text().replace("return 1", "return 2"))
    os.utime(path, ns=(time_ns, time_ns))
    assert fingerprint("avlib.high") != before


def test_a_module_that_takes_the_place_of_a_name_counts(package):
    (package / "low").mkdir()
    (package / "low.py").rename(package / "low/__init__.py")
    before = fingerprint("avlib.high")
    (package / "low/f.py").write_text("x = 1\n")
    assert fingerprint("avlib.high") != before


@pytest.mark.parametrize("damage", [b"", b"[1]", b'{"avlib.high": 1}', b"\xff"])
def test_a_damaged_file_of_what_was_parsed_is_made_again(package, damage):
    before = fingerprint("avlib.high")
    (kept,) = package.rglob("*.json")
    whole = kept.read_bytes()
    kept.write_bytes(damage)
    assert fingerprint("avlib.high") == before
    assert kept.read_bytes() == whole


def test_nothing_is_kept_where_python_keeps_no_byte_code(package, monkeypatch):
    before = fingerprint("avlib.high")
    (kept,) = package.rglob("*.json")
    kept.unlink()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert fingerprint("avlib.high") == before
    assert not kept.exists()


def test_an_unknown_module_is_an_error(package):
    with pytest.raises(ImportError, match=r"avlib\.nothing"):
        fingerprint("avlib.nothing")


def test_threads_get_the_fingerprints_that_one_gets():
    modules = sorted({row.module for row in EXTRACTORS.values()})
    alone = list(map(provenance.code_fingerprint, modules))
    fingerprint()  # empties the caches
    with ThreadPoolExecutor(len(modules)) as threads:
        assert list(threads.map(provenance.code_fingerprint, modules)) == alone
