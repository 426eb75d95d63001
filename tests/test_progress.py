from avlib.progress import progress


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
