import math

import pytest
from tiny_golden import contents

from avlib.errors import ConfigError
from avlib.training.schedules import Schedule, learning_rate, schedule_from_solver, warm_cosine_rate

CASES = contents("asf/lr_schedule.json")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_rates_are_those_of_the_published_code(case):
    schedule = schedule_from_solver(case["arguments"]["solver"])
    rates = [learning_rate(epoch, schedule) for epoch in case["inputs"]["epochs"]["value"]]
    expected = case["expected"]["learning_rate"]["value"]
    assert rates == pytest.approx(expected, rel=1e-12, abs=0)


def test_a_step_begins_exactly_at_its_epoch():
    schedule = Schedule(base_rate=1.0, epochs=4, steps=(0, 2), factors=(1, 0.5))
    assert learning_rate(2 - 1e-9, schedule) == 1.0
    assert learning_rate(2, schedule) == 0.5
    assert learning_rate(99, schedule) == 0.5


def test_cosine_ends_at_the_end_rate():
    schedule = Schedule(base_rate=1.0, epochs=10, policy="cosine", end_rate=0.2)
    assert learning_rate(0, schedule) == 1.0
    assert learning_rate(5, schedule) == pytest.approx(0.6)
    assert learning_rate(10, schedule) == pytest.approx(0.2)


def test_warm_up_meets_the_policy_where_it_ends():
    schedule = Schedule(
        base_rate=1.0, epochs=10, policy="cosine", warmup_epochs=2, warmup_start_rate=0.1
    )
    at_end = learning_rate(2, schedule)
    assert learning_rate(0, schedule) == 0.1
    assert learning_rate(1, schedule) == pytest.approx((0.1 + at_end) / 2)
    assert learning_rate(2 - 1e-9, schedule) == pytest.approx(at_end)


@pytest.mark.parametrize(
    ("steps", "factors"), [((0, 2), (1,)), ((1,), (1,)), ((), ()), ((0, 5, 2), (1, 1, 1))]
)
def test_steps_that_make_no_sense_are_refused(steps, factors):
    with pytest.raises(ConfigError, match="learning rate"):
        Schedule(base_rate=1.0, epochs=9, steps=steps, factors=factors)


def test_an_unknown_policy_names_the_known_ones():
    solver = CASES["vggsound"]["arguments"]["solver"] | {"LR_POLICY": "exponential"}
    with pytest.raises(ConfigError, match=r"exponential.*cosine"):
        schedule_from_solver(solver)


def test_the_warm_up_multiplies_the_cosine():
    rates = [
        warm_cosine_rate(step, base_rate=2.0, end_rate=0.0, total_steps=8, warmup_steps=4)
        for step in range(9)
    ]
    cosine = [1 + math.cos(math.pi * step / 8) for step in range(9)]
    factors = [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1]
    assert rates == pytest.approx([c * f for c, f in zip(cosine, factors, strict=True)])
    assert rates[8] == 0


def test_no_warm_up_begins_at_the_full_rate():
    rate = warm_cosine_rate(0, base_rate=2.0, end_rate=0.5, total_steps=8, warmup_steps=0)
    assert rate == 2.0
