import pytest

from avlib.extractors.auditory_slowfast.recipes import ASF_RECIPES
from avlib.training.recipes import adjusted
from avlib.training.schedules import learning_rate


@pytest.mark.parametrize(
    ("name", "epochs", "batch_size", "views", "rates", "fine_tunes"),
    [
        ("vggsound", 50, 32, 2, {0: 0.01, 30: 0.001, 40: 0.0001}, False),
        ("epic_sounds", 30, 128, 5, {0: 0.001, 25: 0.0001}, True),
        ("epic_kitchens", 30, 32, 10, {0: 0.001, 20: 0.0001, 25: 0.00001}, True),
    ],
)
def test_recipes_are_the_published_ones(name, epochs, batch_size, views, rates, fine_tunes):
    recipe = ASF_RECIPES[name]
    schedule = recipe.schedule
    assert (schedule.epochs, recipe.batch_size, recipe.views) == (epochs, batch_size, views)
    assert recipe.fine_tunes == fine_tunes
    assert (recipe.dropout, recipe.precise_batches, recipe.validate_every) == (0.5, 200, 2)
    assert recipe.specaug == "reference"
    found = {
        s: schedule.base_rate * f for s, f in zip(schedule.steps, schedule.factors, strict=True)
    }
    assert found == pytest.approx(rates)


@pytest.mark.parametrize("name", ASF_RECIPES)
def test_without_other_values_a_recipe_stays_as_it_is(name):
    assert adjusted(ASF_RECIPES[name]) == ASF_RECIPES[name]


def test_in_fewer_epochs_the_steps_keep_their_place():
    short = adjusted(ASF_RECIPES["vggsound"], epochs=25, batch_size=8, base_rate=0.1)
    assert short.batch_size == 8
    rates = [learning_rate(epoch, short.schedule) for epoch in (0, 14.9, 15, 20)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.001])


def test_the_warm_up_is_adjusted_too():
    recipe = ASF_RECIPES["miniature"]
    short = adjusted(recipe, epochs=2, base_rate=recipe.schedule.base_rate / 10)
    for share in (0, 0.01, 0.05, 0.3, 1):
        before = learning_rate(share * recipe.schedule.epochs, recipe.schedule)
        assert learning_rate(share * 2, short.schedule) == pytest.approx(before / 10, abs=1e-12)
