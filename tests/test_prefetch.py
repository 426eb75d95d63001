import threading

import pytest

from avlib.prefetch import prefetched


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
    before = threading.active_count()
    for item in prefetched(iter(range(1000))):
        if item == 3:
            break
    assert threading.active_count() <= before
