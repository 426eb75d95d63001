from avlib.verify.tim.records import RECORDS, BestRecords


def test_records_are_strictly_greater_and_kept_for_each_measure():
    records = BestRecords()
    assert records.update({"action": 0.5, "audio": 0.0}) == {"action"}
    assert records.update({"action": 0.5, "audio": 0.1, "combined": 0.2}) == {"audio", "combined"}
    assert records.best == {"action": 0.5, "verb_noun": 0.0, "audio": 0.1, "combined": 0.2}
    assert records.epochs == {"action": 1, "verb_noun": 0, "audio": 2, "combined": 2}
    assert set(RECORDS) == records.best.keys()


def test_a_training_stops_after_its_patience():
    records, stops = BestRecords(), []
    for accuracy in (0.5, 0.4, 0.6, 0.6, 0.1):
        records.update({"audio": accuracy})
        stops.append(records.is_stalled("audio", 1))
    assert stops == [False, False, False, False, True]
    assert not records.is_stalled("audio", None)
    assert records.is_stalled("action", 4)  # never measured
