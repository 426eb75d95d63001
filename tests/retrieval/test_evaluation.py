"""The stage evaluate_retrieval on small benchmarks with random embeddings."""

import json
import pickle

import embedded_clips as small
import numpy as np
import plain_rankings as plain
import pytest
from embedded_clips import CLIPS, KINDS, SEEDS, RandomNetwork, clip_id, text, write_annotations

from avlib.datasets.tables import TEXTS
from avlib.errors import DataError
from avlib.io.tables import read_table, write_table
from avlib.retrieval.evaluation import evaluate_retrieval
from avlib.retrieval.settings import Fusion, RetrievalEvaluation
from avlib.retrieval.tables import RANKS, TOP


def evaluate(folder, settings=None, **parts):
    """Return the metrics file and the ranks."""
    files, provenance = small.files(folder, **parts)
    evaluate_retrieval(files, settings or RetrievalEvaluation(), provenance)
    return json.loads(files.metrics.read_text()), read_table(files.ranks, RANKS)


def unit(vectors):
    vectors = np.asarray(vectors, dtype=np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def plain_trees(networks, clips, settings, kind="original"):
    """Return nDCG, mAP and ranks of each seed by plain loops over the texts of all clips.

    Args:
        networks: pairs of a network and the kind of its texts.
        clips: numbers of the clips that are compared.
        settings: of the evaluation.
        kind: of the sentences.
    """
    sentences = small.sentence_clips()
    grades = [[plain.relevance(*pair(i, s)) for s in sentences] for i in clips]
    weights = [settings.fusion.ratio, 1.0][-len(networks) :]
    for seed in settings.crop_seeds:
        every, queries = [], []
        for (network, of), weight in zip(networks, weights, strict=True):
            of_clips = [network.of(clip_id(n), seed) for n in clips]
            texts = [network.texts[of][text(n, of)] for n in clips]
            asked = [network.texts[of][text(n, of)] for n in sentences]
            form = np.float64 if settings.dual_softmax else unit
            every.append(weight * form(texts) @ form(of_clips).T)
            queries.append(weight * form(asked) @ form(of_clips).T)
        similarities = sum(every) / sum(weights)
        of_sentences = sum(queries) / sum(weights)
        if settings.dual_softmax:
            by_text = {text(n): row for n, row in zip(clips, range(len(clips)), strict=True)}
            similarities = plain.dual_softmax(similarities, 500.0)
            of_sentences = np.array([similarities[by_text[text(n)]] for n in sentences])
        pairs = [(of_sentences.T, grades), (of_sentences, np.array(grades).T)]
        yield {
            "ndcg": [np.nanmean([plain.ndcg(*q) for q in zip(*p, strict=True)]) for p in pairs],
            "map": [
                np.mean([plain.average_precision(*q) for q in zip(*p, strict=True)]) for p in pairs
            ],
            "ranks": [plain.text_ranks(similarities), plain.clip_ranks(similarities)],
        }


def pair(*numbers):
    return [small.classes(n) for n in numbers]


def numbers(tree):
    return [tree[name] for name in ("a2t", "t2a", "mean")]


def check(metrics, deviations, trees):
    """Compare a tree of the metrics file with the plain one of each seed."""
    for name in ("ndcg", "map"):
        values = np.array([tree[name] for tree in trees])
        expected = [*values.mean(axis=0), values.mean()]
        assert numbers(metrics[name]) == pytest.approx(expected, rel=1e-5)
        expected = [*values.std(axis=0, ddof=1), values.mean(axis=1).std(ddof=1)]
        assert numbers(deviations[name]) == pytest.approx(expected, abs=1e-6)
    for number, direction in enumerate(("a2t", "t2a")):
        ranks = np.array([tree["ranks"][number] for tree in trees])
        found = metrics["recall"][direction]
        assert found["r5"] == pytest.approx(100 * (ranks < 5).mean())
        assert found["mean_rank"] == pytest.approx(ranks.mean() + 1)
        assert found["median_rank"] == pytest.approx(np.median(ranks, axis=1).mean() + 1)


@pytest.mark.parametrize(
    "settings",
    [RetrievalEvaluation(), RetrievalEvaluation(dual_softmax=True)],
    ids=["cosine", "dual_softmax"],
)
def test_metrics_of_a_network_are_those_of_plain_loops(tmp_path, settings):
    network = RandomNetwork(1, 8)
    found, ranks = evaluate(
        tmp_path,
        settings,
        annotations={"all": write_annotations(tmp_path / "all")},
        audio=network.write(tmp_path / "clap"),
    )
    for kind in KINDS:
        trees = list(plain_trees([(network, kind)], range(CLIPS), settings, kind))
        check(found["metrics"]["all"][kind], found["deviations"]["all"][kind], trees)
    rows = ranks[(ranks["kind"] == "llm") & (ranks["crop_seed"] == SEEDS[1])]
    for number, direction in enumerate(("a2t", "t2a")):
        own = rows[rows["direction"] == direction]
        assert own["query"].tolist() == [clip_id(n) for n in range(CLIPS)]
        assert (own["rank"] - 1).tolist() == trees[1]["ranks"][number]
        assert own["top"].map(len).unique().tolist() == [TOP]
    assert found["seeds"] == list(SEEDS)


def test_a_pair_compares_frames_with_original_texts(tmp_path):
    audio, visual = RandomNetwork(1, 8), RandomNetwork(2, 5, has_crops=False)
    settings = RetrievalEvaluation(fusion=Fusion(ratio=2.0))
    found, _ = evaluate(
        tmp_path,
        settings,
        annotations={"all": write_annotations(tmp_path / "all")},
        audio=audio.write(tmp_path / "clap"),
        visual=visual.write(tmp_path / "egovlp", kinds=("original",)),
    )
    for kind in KINDS:
        networks = [(visual, "original"), (audio, kind)]
        trees = list(plain_trees(networks, range(CLIPS), settings, kind))
        check(found["metrics"]["all"][kind], found["deviations"]["all"][kind], trees)
    assert found["models"].keys() == {"egovlp", "clap"}


def test_frames_alone_have_original_texts_only_and_no_deviation(tmp_path):
    visual = RandomNetwork(2, 5, has_crops=False)
    found, ranks = evaluate(
        tmp_path,
        annotations={"all": write_annotations(tmp_path / "all")},
        visual=visual.write(tmp_path / "egovlp", kinds=("original",)),
    )
    assert found["metrics"]["all"].keys() == {"original"}
    assert found["deviations"]["all"]["original"]["ndcg"] == {"a2t": 0, "t2a": 0, "mean": 0}
    assert ranks["crop_seed"].unique().tolist() == [SEEDS[0]]


def test_clips_without_embedding_drop_their_rows_but_not_their_sentences(tmp_path):
    lost = {clip_id(0): "no_audio", clip_id(5): "outside"}
    network = RandomNetwork(1, 8, status=lost)
    settings = RetrievalEvaluation()
    found, ranks = evaluate(
        tmp_path,
        settings,
        annotations={"all": write_annotations(tmp_path / "all")},
        audio=network.write(tmp_path / "clap"),
    )
    kept = [n for n in range(CLIPS) if clip_id(n) not in lost]
    trees = list(plain_trees([(network, "original")], kept, settings))
    check(found["metrics"]["all"]["original"], found["deviations"]["all"]["original"], trees)
    assert not set(lost) & set(ranks["query"])
    counts = found["counts"]["all"]
    assert counts["clips"] == CLIPS - 2
    assert counts["clips_left_out"] == 2
    assert counts["clips_over_10_s"] == 2
    assert counts["original"]["sentences"] == len(small.sentence_clips())
    assert found["counts"]["left_out"] == [
        {
            "event_id": event_id,
            "video_id": f"video {number % 3}",
            "left_out_by": "clap",
            "status": status,
            "message": "a reason",
        }
        for number, (event_id, status) in zip((0, 5), lost.items(), strict=True)
    ]


def test_an_embedding_that_is_not_finite_leaves_its_clip_out(tmp_path):
    network = RandomNetwork(1, 8)
    network.clips[clip_id(3), SEEDS[1]][2] = np.nan
    found, _ = evaluate(
        tmp_path,
        annotations={"all": write_annotations(tmp_path / "all")},
        audio=network.write(tmp_path / "clap"),
    )
    (row,) = found["counts"]["left_out"]
    assert (row["event_id"], row["status"]) == (clip_id(3), "not_finite")


def test_each_subset_has_metrics_of_its_own(tmp_path):
    network = RandomNetwork(1, 8)
    some = range(0, CLIPS, 2)
    found, ranks = evaluate(
        tmp_path,
        annotations={
            "all": write_annotations(tmp_path / "all"),
            "low": write_annotations(tmp_path / "low", some),
        },
        audio=network.write(tmp_path / "clap"),
    )
    assert found["counts"]["low"]["clips"] == len(some)
    assert found["metrics"]["low"] != found["metrics"]["all"]
    assert set(ranks["relevancy"]) == {"all", "low"}


def test_a_subset_without_clips_has_no_metrics_and_a_note(tmp_path):
    network = RandomNetwork(1, 8, status={clip_id(1): "no_audio"})
    found, _ = evaluate(
        tmp_path,
        annotations={
            "all": write_annotations(tmp_path / "all"),
            "high": write_annotations(tmp_path / "high", [1]),
        },
        audio=network.write(tmp_path / "clap"),
    )
    assert found["metrics"]["high"] == dict.fromkeys(KINDS)
    assert any(note.startswith("high, original: no clip") for note in found["notes"])


def test_a_model_that_has_seen_no_clip_has_no_metrics_file(tmp_path):
    network = RandomNetwork(1, 8, status={clip_id(n): "missing_video" for n in range(CLIPS)})
    parts = {
        "annotations": {"all": write_annotations(tmp_path / "all")},
        "audio": network.write(tmp_path / "clap"),
    }
    message = rf"^clap: every clip is left out \({CLIPS} missing_video\); the first, {clip_id(0)}: "
    with pytest.raises(DataError, match=message):
        evaluate(tmp_path, **parts)
    assert not (tmp_path / "test_metrics.json").exists()


def test_a_given_matrix_decides_relevance(tmp_path):
    network = RandomNetwork(1, 8)
    annotations = {"all": write_annotations(tmp_path / "all")}
    given = tmp_path / "caption.pkl"
    given.write_bytes(pickle.dumps(np.zeros((CLIPS, len(small.sentence_clips())))))
    found, _ = evaluate(
        tmp_path,
        annotations=annotations,
        audio=network.write(tmp_path / "clap"),
        graded={"all.llm": given},
    )
    assert found["metrics"]["all"]["llm"]["ndcg"]["a2t"] is None
    assert found["metrics"]["all"]["llm"]["map"]["a2t"] == 0
    assert found["counts"]["all"]["llm"]["queries_without_relevance"]["a2t"] == CLIPS
    assert found["counts"]["all"]["original"]["queries_without_relevance"]["a2t"] == 0
    assert any("is not that of the classes" in note for note in found["notes"])
    assert "graded.all.llm" in found["inputs"]


def test_a_matrix_of_another_size_names_the_file_and_both_sizes(tmp_path):
    given = tmp_path / "verb.pkl"
    given.write_bytes(pickle.dumps(np.zeros((CLIPS + 1, 12))))
    parts = {
        "annotations": {"all": write_annotations(tmp_path / "all")},
        "audio": RandomNetwork(1, 8).write(tmp_path / "clap"),
        "graded": {"all.original": given},
    }
    with pytest.raises(DataError, match=r"verb\.pkl: relevance of 25 clips x 12 sentences, the"):
        evaluate(tmp_path, **parts)
    assert not (tmp_path / "test_metrics.json").exists()
    assert not (tmp_path / "ranks.parquet").exists()


def test_a_random_network_is_as_good_as_chance(tmp_path):
    found, _ = evaluate(
        tmp_path,
        RetrievalEvaluation(crop_seeds=(0,)),
        annotations={"all": write_annotations(tmp_path / "all")},
        audio=RandomNetwork(3, 64).write(tmp_path / "clap"),
    )
    metrics, chance = found["metrics"]["all"]["original"], found["chance"]["all"]["original"]
    for name in ("ndcg", "map"):
        assert metrics[name]["mean"] == pytest.approx(chance[name]["mean"], abs=0.06)
    assert found["deviations"]["all"]["original"]["ndcg"]["mean"] is None


def test_classes_have_values_of_their_own(tmp_path):
    found, _ = evaluate(
        tmp_path,
        RetrievalEvaluation(graded_by="class"),
        annotations={"all": write_annotations(tmp_path / "all")},
        audio=RandomNetwork(1, 8).write(tmp_path / "clap"),
    )
    by_class = found["metrics"]["all"]["original"]["by_class"]["map"]
    assert by_class.keys() == {text(n) for n in range(CLIPS)}
    described = found["metrics"]["all"]["llm"]["by_class"]["map"]
    assert described.keys() == by_class.keys() and described != by_class
    assert found["chance"]["all"]["original"]["ndcg"]["a2t"] > 0


def question(number, choices, answer=0, kind="inter_video", llm="llm: 0 0"):
    return (str(number), kind, "original: 0 0", llm, answer, *map(clip_id, choices))


QUESTIONS = [
    question(0, (0, 1, 2, 3, 4)),
    question(1, (3, 11, 5, 6, 7), 1),
    question(2, (9, 8, 7, 6, 5), 4, "intra_video"),
    question(3, (12, 13, 14, 15, 16), 2, "intra_video", llm=None),
]


@pytest.mark.parametrize("normalisation", [None, "max", "one"])
def test_questions_are_answered_by_the_most_similar_choice(tmp_path, normalisation):
    audio, visual = RandomNetwork(1, 8), RandomNetwork(2, 5, has_crops=False)
    settings = RetrievalEvaluation(fusion=Fusion(ratio=3.0, normalisation=normalisation))
    found, ranks = evaluate(
        tmp_path,
        settings,
        annotations={"all": write_annotations(tmp_path / "all", questions=QUESTIONS)},
        audio=audio.write(tmp_path / "clap"),
        visual=visual.write(tmp_path / "egovlp", kinds=("original",)),
    )
    for seed in SEEDS:
        rows = ranks[(ranks["kind"] == "original") & (ranks["crop_seed"] == seed)]
        for row, (_, _, asked, _, answer, *choices) in zip(
            rows.itertuples(), QUESTIONS, strict=True
        ):
            total = np.zeros(5)
            for network, weight in ((visual, 3), (audio, 1)):
                clips = unit([network.of(c, seed) for c in choices])
                values = clips @ unit([network.texts["original"][asked]])[0]
                scale = {None: 1, "max": np.linalg.norm(values), "one": values.sum()}
                total += weight * values / scale[normalisation]
            order = plain.ranked(total)
            assert row.top.tolist() == [choices[i] for i in order]
            assert row.rank == order.index(answer) + 1
    assert found["counts"]["all"]["llm"] == {"questions": 3, "questions_left_out": 1}
    first = ranks[(ranks["kind"] == "llm") & (ranks["query"].isin(["0", "1"]))]
    share = 100 * (first["rank"] == 1).groupby(first["crop_seed"]).mean().mean()
    assert found["metrics"]["all"]["llm"]["accuracy"]["inter_video"] == pytest.approx(share)
    assert found["chance"]["all"]["llm"]["accuracy"] == {"inter_video": 20, "intra_video": 20}


def test_a_question_with_a_lost_choice_is_left_out_and_counted(tmp_path):
    network = RandomNetwork(1, 8, status={clip_id(7): "unreadable"})
    found, ranks = evaluate(
        tmp_path,
        annotations={"all": write_annotations(tmp_path / "all", questions=QUESTIONS)},
        audio=network.write(tmp_path / "clap"),
    )
    assert found["counts"]["all"]["original"] == {"questions": 2, "questions_left_out": 2}
    assert set(ranks["query"]) == {"0", "3"}


def test_one_type_of_questions_keeps_its_own_name(tmp_path):
    found, _ = evaluate(
        tmp_path,
        annotations={"all": write_annotations(tmp_path / "all", questions=QUESTIONS[2:])},
        audio=RandomNetwork(1, 8).write(tmp_path / "clap"),
    )
    assert found["metrics"]["all"]["original"]["accuracy"].keys() == {"intra_video"}


def test_the_files_are_the_same_bytes_each_time(tmp_path):
    parts = {
        "annotations": {"all": write_annotations(tmp_path / "all")},
        "audio": RandomNetwork(1, 8).write(tmp_path / "clap"),
    }
    evaluate(tmp_path, **parts)
    before = [(tmp_path / name).read_bytes() for name in ("test_metrics.json", "ranks.parquet")]
    evaluate(tmp_path, **parts)
    after = [(tmp_path / name).read_bytes() for name in ("test_metrics.json", "ranks.parquet")]
    assert before == after


def test_the_order_of_shards_does_not_matter(tmp_path):
    annotations = {"all": write_annotations(tmp_path / "all")}
    one = RandomNetwork(1, 8).write(tmp_path / "one", shards=1)
    four = RandomNetwork(1, 8).write(tmp_path / "four", shards=4)
    found = [evaluate(tmp_path, annotations=annotations, audio=part)[0] for part in (one, four)]
    assert found[0]["metrics"] == found[1]["metrics"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("text", r"original\.h5: no embedding of the text 'original: 1 1'"),
        ("clip", r"0\.parquet: no embedding of the clip 'v_04' for crop seed 0"),
        ("seed", r"0\.parquet: no embedding of the clip 'v_03' for crop seed 7"),
        ("row", r"0\.parquet: no shard has the clip 'v_0"),
        ("sentence", r"texts\.parquet: clip 'v_02' has no text of kind original"),
    ],
)
def test_what_is_missing_is_named_in_one_line(tmp_path, damage, message):
    network, settings = RandomNetwork(1, 8), RetrievalEvaluation()
    folder = write_annotations(tmp_path / "all")
    if damage == "text":
        del network.texts["original"][text(1)]
    if damage == "clip":
        del network.clips[clip_id(4), small.WHOLE]
    if damage == "seed":
        settings = RetrievalEvaluation(crop_seeds=(7,))
    if damage == "sentence":
        table = read_table(folder / "texts.parquet", TEXTS)
        write_table(table[table["event_id"] != clip_id(2)], folder / "texts.parquet", TEXTS)
    audio = network.write(tmp_path / "clap")
    if damage == "row":
        audio = type(audio)(clips=audio.clips[:1], index=audio.index[:1], texts=audio.texts)
    with pytest.raises(DataError, match=message):
        evaluate(tmp_path, settings, annotations={"all": folder}, audio=audio)
