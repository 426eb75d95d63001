from concurrent.futures import ThreadPoolExecutor

import pytest

from avlib.extractors.registry import EXTRACTORS
from avlib.io import provenance


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `avlib` of two modules, of which one imports the other."""
    (tmp_path / "io").mkdir()
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "io" / "provenance.py"))
    (tmp_path / "low.py").write_text('"""Low."""\n\ndef f():\n    """Give 1."""\n    return 1\n')
    (tmp_path / "high.py").write_text("from avlib.low import f\n\nf()\n")
    (tmp_path / "other.py").write_text("x = 1\n")
    return tmp_path


def fingerprint(*modules):
    for name in ("code_fingerprint", "_source", "_tree", "_imports", "_syntax"):
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


def test_an_unknown_module_is_an_error(package):
    with pytest.raises(ImportError, match=r"avlib\.nothing"):
        fingerprint("avlib.nothing")


def test_threads_get_the_fingerprints_that_one_gets():
    modules = sorted({row.module for row in EXTRACTORS.values()})
    alone = list(map(provenance.code_fingerprint, modules))
    fingerprint()  # empties the caches
    with ThreadPoolExecutor(len(modules)) as threads:
        assert list(threads.map(provenance.code_fingerprint, modules)) == alone
