"""The archive of the EPIC challenge: what is written, and what the check refuses."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest

from avlib.__main__ import main
from avlib.errors import DataError
from avlib.io.tables import write_table
from avlib.tim.published_predictions import PublishedPredictions, read_predictions
from avlib.tim.published_predictions import write_predictions as write_pickle
from avlib.tim.submission import pairs_of_names, write_epic_challenge, write_submission
from avlib.tim.submission_check import check_submission
from avlib.tim.tables import PREDICTIONS, QUERIES

IDS = ["P01_11_0", "P01_11_1", "ü_2"]
VERBS, NOUNS = [f"verb-{k}" for k in range(97)], [f"noun {k}" for k in range(300)]
PAIRS = [(k % 97, k) for k in range(120)]
CLASSES = {
    "verb_class": VERBS,
    "noun_class": NOUNS,
    "action_class": [f"{VERBS[v]} {NOUNS[n]}" for v, n in PAIRS],
    "class_id": ["tap"],
}
HEADS = {"verb": 97, "noun": 300, "action": 120}


def random_probs(seed):
    rng, n = np.random.default_rng(seed), len(IDS)
    return {h: rng.dirichlet(np.ones(k), n).astype(np.float32) for h, k in HEADS.items()}


def write_tables(folder, *, probs=None, models=("actions",), ids=IDS, classes=CLASSES):
    """Queries of two splits, and predictions of the unlabelled one."""
    probs = random_probs(0) if probs is None else probs
    empty = dict.fromkeys(("verb_class", "noun_class", "action_class", "class_id"))
    queries = [
        {"query_id": i, "annotation_id": name, "modality": "visual", "video_id": "P01_11"}
        | {"split": split, "start_s": 0.0, "stop_s": 1.0, **empty}
        for i, (name, split) in enumerate([("P01_01_0", "train"), *((n, "test") for n in ids)])
    ]
    queries[0] |= {"verb_class": 0, "noun_class": 0, "action_class": 0}
    queries = pd.DataFrame(queries).astype(dict.fromkeys(empty, "Int64"))
    write_table(queries, folder / "queries.parquet", QUERIES)
    rows = [
        {"annotation_id": name, "modality": model, "head": head, "video_id": "P01_11"}
        | {"split": "test", "start_s": 0.0, "stop_s": 1.0, "class_id": None, "label": None}
        | {"predicted_class": 0, "predicted_label": "x", "probs": probs[head][i]}
        for model in models
        for head in probs
        for i, name in enumerate(IDS)
    ]
    rows = pd.DataFrame(rows[::-1]).astype({"class_id": "Int64"})
    write_table(rows, folder / "predictions.parquet", PREDICTIONS)
    (folder / "classes.json").write_text(json.dumps(classes))
    return {
        "predictions": folder / "predictions.parquet",
        "queries": folder / "queries.parquet",
        "classes": folder / "classes.json",
        "split": "test",
        "supervision": (2, 3, 4),
        "target": folder / "submission.zip",
    }


def read(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["test.json"]
        return json.loads(archive.read("test.json"))


def test_a_submission_reads_back_as_predicted(tmp_path):
    arguments = write_tables(tmp_path)
    write_submission(**arguments)
    content, probs = read(arguments["target"]), random_probs(0)
    assert content["version"] == "0.2" and content["challenge"] == "action_recognition"
    assert [content[f"sls_{level}"] for level in ("pt", "tl", "td")] == [2, 3, 4]
    assert list(content["results"]) == IDS
    for row, entry in enumerate(content["results"].values()):
        for head in ("verb", "noun"):
            scores = [entry[head][str(k)] for k in range(HEADS[head])]
            np.testing.assert_array_equal(np.float32(scores), probs[head][row])
        best = sorted(range(120), key=lambda k, p=probs["action"][row]: -p[k])[:100]
        assert entry["action"].keys() == {f"{k % 97},{k}" for k in best}
        assert (
            np.float32(entry["action"][f"{best[0] % 97},{best[0]}"]) == probs["action"][row].max()
        )
    check_submission(arguments["target"], IDS)


def test_equal_predictions_are_equal_bytes(tmp_path):
    arguments = write_tables(tmp_path)
    write_submission(**arguments)
    write_submission(**arguments | {"target": tmp_path / "again.zip"})
    assert (tmp_path / "again.zip").read_bytes() == arguments["target"].read_bytes()


def test_the_authors_pickle_of_the_same_predictions_reads_back_and_makes_the_same_file(tmp_path):
    arguments = write_tables(tmp_path)
    write_submission(**arguments)
    write_pickle(PublishedPredictions(random_probs(0), IDS, []), tmp_path / "p.pkl")
    again = read_predictions(tmp_path / "p.pkl")
    pairs = np.array(PAIRS)
    write_epic_challenge(again, tmp_path / "b.zip", supervision=(2, 3, 4), pairs=pairs)
    assert (tmp_path / "b.zip").read_bytes() == arguments["target"].read_bytes()


def test_of_few_action_classes_the_challenge_takes_products(tmp_path):
    few = CLASSES | {"action_class": CLASSES["action_class"][:20]}
    probs = random_probs(0) | {"action": random_probs(0)["action"][:, :20]}
    arguments = write_tables(tmp_path, probs=probs, classes=few)
    write_submission(**arguments)
    for entry in read(arguments["target"])["results"].values():
        assert entry.keys() == {"verb", "noun"}


def test_the_first_model_with_verbs_and_nouns_is_handed_in(tmp_path):
    arguments = write_tables(tmp_path, models=("audio_visual", "visual"))
    write_submission(**arguments)
    table = pd.read_parquet(arguments["predictions"])
    first = table["modality"].iloc[0]
    write_table(table[table["modality"] == first], arguments["predictions"], PREDICTIONS)
    write_submission(**arguments | {"target": tmp_path / "first.zip"})
    assert (tmp_path / "first.zip").read_bytes() == arguments["target"].read_bytes()


def test_an_action_without_a_prediction_is_named_with_its_video(tmp_path):
    arguments = write_tables(tmp_path, ids=[*IDS, "P02_02_7"])
    with pytest.raises(DataError, match=r"no verb of 1 of 4 actions, first P02_02_7 of video"):
        write_submission(**arguments)
    assert not arguments["target"].exists()


def test_classes_that_are_not_those_of_the_challenge_leave_no_file(tmp_path):
    probs = random_probs(0) | {"verb": random_probs(0)["verb"][:, :96]}
    few = CLASSES | {"verb_class": VERBS[:96], "action_class": CLASSES["action_class"][:96]}
    arguments = write_tables(tmp_path, probs=probs, classes=few)
    with pytest.raises(DataError, match=r"submission\.zip: P01_11_0: 96 scores of verbs"):
        write_submission(**arguments)
    assert not list(tmp_path.glob("*.zip")) and not list(tmp_path.glob(".*"))


def test_without_verbs_or_actions_there_is_nothing_to_hand_in(tmp_path):
    probs = {"action": random_probs(0)["action"]}
    with pytest.raises(DataError, match="no model predicts verbs and nouns"):
        write_submission(**write_tables(tmp_path, probs=probs))
    with pytest.raises(DataError, match="no action of the val split"):
        write_submission(**write_tables(tmp_path) | {"split": "val"})


def test_actions_are_found_by_their_names():
    actions = ["put cup", "put in cup", "take cup", "7"]
    names = {"verb": ["put", "put in"], "noun": ["cup", "in cup"], "action": actions}
    assert pairs_of_names(names).tolist() == [[0, 0], [-1, -1], [-1, -1], [-1, -1]]


def test_actions_without_a_verb_and_a_noun_are_not_among_the_highest(tmp_path):
    unnamed = [str(k) if k < 20 else name for k, name in enumerate(CLASSES["action_class"])]
    arguments = write_tables(tmp_path, classes=CLASSES | {"action_class": unnamed})
    write_submission(**arguments)
    for entry in read(arguments["target"])["results"].values():
        assert entry["action"].keys() == {f"{k % 97},{k}" for k in range(20, 120)}


def test_supervision_levels_and_heads_are_needed(tmp_path):
    predictions = PublishedPredictions(random_probs(0), IDS, [])
    with pytest.raises(ValueError, match="supervision levels"):
        write_epic_challenge(predictions, tmp_path / "x.zip", supervision=(0, 6, 0))
    only = PublishedPredictions({"action": random_probs(0)["action"]}, IDS, [])
    with pytest.raises(ValueError, match="needs scores of verbs and nouns"):
        write_epic_challenge(only, tmp_path / "x.zip", supervision=(0, 0, 0))


@pytest.fixture
def content(tmp_path):
    arguments = write_tables(tmp_path)
    write_submission(**arguments)
    return read(arguments["target"])


def fault_of(tmp_path, text, member="test.json"):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(member, text)
    with pytest.raises(DataError) as error:
        check_submission(tmp_path / "x.zip", IDS)
    return str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(version="0.1"), "version is '0.1', expected '0.2'"),
        (lambda c: c.update(challenge="detection"), "challenge is 'detection'"),
        (lambda c: c.pop("sls_tl"), "sls_tl is None, expected a supervision level of 0 to 5"),
        (lambda c: c.update(sls_pt=6), "sls_pt is 6"),
        (lambda c: c.update(sls_td=True), "sls_td is True"),
        (lambda c: c.update(sls_td=2.0), "sls_td is 2.0"),
        (lambda c: c.update(results=[]), "results is no object"),
        (lambda c: c["results"].pop("ü_2"), "no scores of 1 of 3 actions, first 'ü_2'"),
        (lambda c: c["results"].update(P9=1), "1 entries are no actions of the test split, first"),
        (lambda c: c["results"].update(ü_2=[]), "ü_2: no object"),
        (lambda c: c["results"]["ü_2"].update(verbs={}), "'verbs' is none of verb, noun"),
        (lambda c: c["results"]["ü_2"].pop("noun"), "ü_2: no scores of nouns"),
        (lambda c: c["results"]["ü_2"]["verb"].pop("96"), "96 scores of verbs, expected 0 to 96"),
        (lambda c: c["results"]["ü_2"]["noun"].update({"300": 0.1}), "301 scores of nouns"),
        (lambda c: c["results"]["ü_2"]["noun"].update({"7": "1"}), "score of noun 7 is '1'"),
        (lambda c: c["results"]["ü_2"]["noun"].update({"7": True}), "score of noun 7 is True"),
        (lambda c: c["results"]["ü_2"]["verb"].update({"0": np.nan}), "score of verb 0 is nan"),
        (lambda c: c["results"]["ü_2"]["verb"].update({"0": np.inf}), "score of verb 0 is inf"),
        (lambda c: c["results"]["ü_2"]["action"].popitem(), "99 scores of actions, expected 100"),
        (lambda c: c["results"]["ü_2"].update(action=None), "no scores of actions"),
    ],
)
def test_each_fault_is_named(tmp_path, content, change, message):
    change(content)
    assert message in fault_of(tmp_path, json.dumps(content))


@pytest.mark.parametrize(
    "pair", ["97,0", "0,300", "0", "0,0,0", "a,b", "-1,0", "00,1", " 0,1", "²,1"]
)
def test_a_pair_of_no_classes_is_named(tmp_path, content, pair):
    scores = content["results"][IDS[0]]["action"]
    scores.popitem()
    scores[pair] = 0.5
    assert f"{pair!r} is no action" in fault_of(tmp_path, json.dumps(content))


def test_a_name_that_occurs_twice_is_named(tmp_path, content):
    text = json.dumps(content)
    twice = text.replace('"sls_pt": 2', '"sls_pt": 2, "sls_pt": 2')
    assert "'sls_pt' occurs twice in one object" in fault_of(tmp_path, twice)


def test_other_archives_are_named(tmp_path, content):
    text = json.dumps(content)
    assert "holds 'a/test.json', expected 'test.json' alone" in fault_of(
        tmp_path, text, "a/test.json"
    )
    assert "test.json is no JSON" in fault_of(tmp_path, text[:-5])
    assert "test.json holds no object" in fault_of(tmp_path, "[]")
    assert fault_of(tmp_path, b"\xff\xfe")
    (tmp_path / "y.zip").write_text(text)
    for name in ("y.zip", "absent.zip"):
        with pytest.raises(DataError, match="no readable zip file"):
            check_submission(tmp_path / name, IDS)
    whole = (tmp_path / "submission.zip").read_bytes()
    later = bytearray(whole)
    later[whole.index(b"PK\1\2") + 6] = 255  # the version that the entry needs
    (tmp_path / "y.zip").write_bytes(later)
    with pytest.raises(DataError, match=r"y\.zip: no readable zip file \(zip file version"):
        check_submission(tmp_path / "y.zip", IDS)
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 255
    (tmp_path / "y.zip").write_bytes(damaged)
    with pytest.raises(DataError, match=r"y\.zip: "):
        check_submission(tmp_path / "y.zip", IDS)


def test_a_submission_is_checked_on_the_command_line(tmp_path, capsys):
    arguments = write_tables(tmp_path)
    write_submission(**arguments)
    (tmp_path / "actions.csv").write_text("narration_id\n" + "\n".join(IDS) + "\n")
    command = ["check-submission", str(arguments["target"]), str(tmp_path / "actions.csv")]
    assert main(command) == 0
    assert "3 actions, as the challenge wants them" in capsys.readouterr().out
    (tmp_path / "actions.csv").write_text("narration_id\nP01_11_0\n")
    assert main(command) == 1
    assert "2 entries are no actions of the test split" in capsys.readouterr().err
