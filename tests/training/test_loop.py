import threading

import pytest

from avlib.training.loop import ProgressLog, prefetched


def test_prefetching_keeps_order_and_prepares_one_item_ahead():
    prepared = []

    def items():
        for i in range(4):
            prepared.append((i, threading.current_thread() is threading.main_thread()))
            yield i

    stream = prefetched(items())
    assert next(stream) == 0
    assert list(stream) == [1, 2, 3]
    assert prepared == [(i, False) for i in range(4)]


def test_an_error_while_preparing_reaches_the_consumer_in_its_place():
    def items():
        yield 1
        raise OSError("disk")

    stream = prefetched(items())
    assert next(stream) == 1
    with pytest.raises(OSError, match="disk"):
        next(stream)


def test_a_consumer_may_stop_early():
    for item in prefetched(iter(range(1000))):
        if item == 3:
            break
    assert threading.active_count() < 5


def test_progress_is_logged_with_rate_and_time_left(caplog, monkeypatch):
    clock = iter([100.0, 110.0, 131.0, 140.0])
    monkeypatch.setattr("avlib.training.loop.time.monotonic", lambda: next(clock))
    report = ProgressLog("epoch 3, steps", total=12, done=6)
    with caplog.at_level("INFO"):
        for _ in range(3):
            report.advance()
    assert caplog.messages == ["epoch 3, steps: 8 of 12, 0.1/s, 62 s left"]
