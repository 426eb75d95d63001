from avlib.evaluation.headline import headline

SHARES = {"audio": 0.7063, "audio_visual": 0.969, "visual": None}  # as sorted in the file


def test_each_modality_has_its_accuracy_beside_what_it_is_worth():
    metrics = {
        "segment_accuracy": SHARES,
        "mean_class_accuracy": {"audio_visual": 0.95, "audio": 1 / 9, "visual": None},
        "majority_share": dict.fromkeys(SHARES, 0.7063),
    }
    left_out = [
        {"video_id": "a", "left_out_by": "probe", "status": "no_audio"},
        {"video_id": "b", "left_out_by": "probe", "status": "no_audio"},
        {"video_id": "b", "left_out_by": "Omnivore", "status": "unreadable"},
    ]
    content = {"metrics": metrics, "counts": {"videos_left_out": left_out}, "notes": ["Mind this."]}
    assert headline(content) == [
        "audio-visual: segment accuracy 96.9 %, mean class accuracy 95.0 %, majority class 70.6 %",
        "audio: segment accuracy 70.6 %, mean class accuracy 11.1 %, majority class 70.6 %",
        "visual: segment accuracy undefined, mean class accuracy undefined, majority class 70.6 %",
        "left out: 2 videos (2 by probe, no_audio; 1 by Omnivore, unreadable)",
        "note: Mind this.",
    ]


def test_soundtracks_and_their_fusion_have_a_line_each():
    metrics = {
        "top1": {"audio": 0.5, "video": 0.75, "fusion": 1.0},
        "majority_share": {"audio": 0.25, "video": 0.25, "fusion": 0.25},
    }
    assert headline({"metrics": metrics}) == [
        "fusion: top-1 accuracy 100.0 %, majority class 25.0 %",
        "audio: top-1 accuracy 50.0 %, majority class 25.0 %",
        "visual: top-1 accuracy 75.0 %, majority class 25.0 %",
    ]


def test_folds_are_given_with_their_deviation():
    metrics = {
        "accuracy": 0.6,
        "mean_class_accuracy": 0.5,
        "majority_share": 0.3,
        "accuracy_by_fold": {"1": 0.5, "2": 0.7},
        "accuracy_over_folds": {"mean": 0.6, "standard_deviation": 0.1414, "ddof": 1},
    }
    assert headline({"metrics": metrics}) == [
        "accuracy 60.0 % (mean of 2 folds, deviation 14.1 %), mean class accuracy 50.0 %, "
        "majority class 30.0 %"
    ]


def test_parsers_are_given_by_their_f():
    scores = {"Seg-a": 1.0, "Seg-type": 60.16, "Seg-event": 58.0, "Event-type": 53.1}
    one = {"variant": "valor", "split": "test", "metrics": {"test": scores | {"Event-event": 50}}}
    line = "F of segments and events in %: Seg-type 60.2, Seg-event 58.0, Event-type 53.1"
    assert headline(one) == [f"valor: {line}, Event-event 50.0"]
    summary = {"variants": {"han": {"scores": scores}, "valor": {"scores": {}}}}
    none = "F of segments and events in %: no test video"
    assert headline(summary) == [f"han: {line}", f"valor: {none}"]


def test_retrieval_has_a_line_a_kind_of_texts_beside_a_random_order():
    numbers = {"ndcg": {"mean": 0.3}, "map": {"mean": 0.4121, "a2t": 0.5}}
    content = {
        "model": "clap",
        "metrics": {"all": {"original": numbers, "llm": {}}, "low": {"original": numbers}},
        "chance": {"all": {"original": {"map": {"mean": 0.056}}}},
        "counts": {
            "left_out": [{"event_id": e, "left_out_by": "clap", "status": "outside"} for e in "ab"]
        },
    }
    assert headline(content) == [
        "clap, original texts: mAP 41.2 % (random order 5.6 %), nDCG 30.0 %",
        "clap, llm texts: no query",
        "the file has also the clips of low relevancy",
        "left out: 2 clips (2 by clap, outside)",
    ]


def test_questions_have_the_shares_of_right_answers():
    shares = {"accuracy": {"inter_video": 80.04, "intra_video": 55.0}}
    chance = {"accuracy": {"inter_video": 20.0, "intra_video": 20.0}}
    content = {
        "model": "egovlp+clap",
        "metrics": {"high": {"llm": shares}},
        "chance": {"high": {"llm": chance}},
    }
    assert headline(content) == [
        "egovlp+clap, llm texts, high relevancy: inter-video 80.0 % (random order 20.0 %), "
        "intra-video 55.0 % (random order 20.0 %)"
    ]


def test_events_have_a_line_for_each_model_and_the_subsets_of_the_first():
    def heads(share, *names, **others):
        return {name: {"top1": share, "items": 9} for name in names} | others

    unseen = heads(0.25, "action", "verb")
    metrics = {
        "audio": heads(0.5, "audio"),
        "sounds": {"audio": {"top1": None, "majority_share": None}},
        "actions": heads(0.75, "verb", "action", unseen_participants=unseen),
        "visual": heads(0.4, "action", unseen_participants=unseen),
    }
    metrics["audio"]["audio"]["majority_share"] = 0.125
    assert headline({"metrics": metrics, "notes": ["Mind this."]}) == [
        "audio-visual, actions alone: top-1 accuracy of actions 75.0 %, verbs 75.0 %",
        "audio-visual, actions alone, unseen participants: actions 25.0 %, verbs 25.0 %",
        "audio-visual, sounds alone: top-1 accuracy of sounds undefined",
        "visual: top-1 accuracy of actions 40.0 %",
        "audio: top-1 accuracy of sounds 50.0 % (majority class 12.5 %)",
        "note: Mind this.",
    ]
