from avlib.progress import progress, progress_in_parts


def test_a_log_tells_rate_and_time_left(caplog, monkeypatch):
    clock = iter([100.0, 100.0, 110.0, 131.0, 140.0])
    monkeypatch.setattr("avlib.progress.time.monotonic", lambda: next(clock))
    with caplog.at_level("INFO", "avlib.progress"):
        assert list(progress("abc", "epoch 3", "steps", total=9, done=6)) == list("abc")
    assert caplog.messages == [
        "epoch 3: 3 steps",
        "epoch 3: 8 of 9 steps, 0.1/s, 16 s left",
        "epoch 3: done in 40.0 s",
    ]


def test_progress_of_parts_is_in_what_they_hold(caplog, monkeypatch):
    clock = iter([100.0, 110.0, 120.0, 140.0, 141.0, 142.0])
    monkeypatch.setattr("avlib.progress.time.monotonic", lambda: next(clock))
    with caplog.at_level("INFO", "avlib.progress"):
        parts = progress_in_parts(["ab", "cd"], "reading", "letters", total=4, size=len)
        assert list(parts) == ["ab", "cd"]
    assert caplog.messages == [
        "reading: 4 letters",
        "reading: 2 of 4 letters, 0.1/s, 40 s left",
        "reading: done in 42.0 s",
    ]
