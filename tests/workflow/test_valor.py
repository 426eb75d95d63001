"""What the rules of event parsing are told of a configuration."""

from types import SimpleNamespace

import pytest

from avlib.errors import ConfigError
from avlib.studies import load_config
from avlib.workflow import Workflow, study_files

KINDS = ("vggish", "res152", "r2plus1d_18", "clip", "clap")


@pytest.fixture
def ask(tmp_path):
    """Return what asks a question about a section `llp` and a variant."""
    for name in (*KINDS, "labels"):
        (tmp_path / name).mkdir()
    (tmp_path / "best.pt").touch()

    def answer(question, section, **wildcards):
        studies = Workflow(load_config({"llp": section}), results=tmp_path, rescan=True)
        return getattr(studies.valor, question)(SimpleNamespace(study="llp", **wildcards))

    return answer


def test_the_baseline_rests_on_its_features_alone(ask):
    assert set(ask("parser_networks", {}, variant="han")) == {"vggish", "res152", "r2plus1d_18"}
    both = ask("parser_networks", {}, variant="valor")
    assert set(both) == {"vggish", "res152", "r2plus1d_18", "clip", "clap"}


def test_given_weights_of_a_variant_need_no_teacher(ask, tmp_path):
    section = {"checkpoints": {"parsers": {"valor": str(tmp_path / "best.pt")}}}
    found = ask("parser_networks", section, variant="valor")
    assert set(found) == {"vggish", "res152", "r2plus1d_18"}
    assert ask("checked_parser", section, variant="valor") == [
        str(tmp_path / "llp/model/parser/valor/given.json")
    ]


def test_a_teacher_of_given_features_is_still_named(ask, tmp_path):
    section = {"features": {"clip": str(tmp_path / "clip")}}
    assert "clip" in ask("parser_networks", section, variant="valor")


def test_other_files_in_a_given_folder_are_told_from_the_old_ones(ask, tmp_path):
    section = {"features": {"vggish": str(tmp_path / "vggish")}}
    first = ask("given_stamps", section, variant="han")
    assert list(first) == [str(tmp_path / "vggish")]
    (tmp_path / "vggish" / "a.npy").write_bytes(b"new")
    study_files._folder_stamp.cache_clear()  # a run looks once
    assert ask("given_stamps", section, variant="han") != first
    assert ask("given_stamps", {"features": {"clap": str(tmp_path / "clap")}}, variant="han") == {}


@pytest.mark.parametrize(
    ("section", "question", "wildcards", "message"),
    [
        (
            {"source": "official", "labels": "x"},
            "teacher_weights",
            {"modality": "visual"},
            "llp.checkpoints.clip: name the published weights",
        ),
        (
            {"teachers": {"visual": {"captions": ["A photo of a dodo."] * 25}}},
            "captions",
            {"modality": "visual"},
            "'A photo of a dodo.' is none of the published ones",
        ),
        (
            {"checkpoints": {"clap": "x"}, "teachers": {"audio": {"backend": "laion_clap"}}},
            "backend",
            {},
            "laion_clap is not installed",
        ),
    ],
)
def test_what_is_lacking_is_told_while_jobs_are_planned(ask, section, question, wildcards, message):
    with pytest.raises(ConfigError, match=message):
        ask(question, section, **wildcards)
