import os
import signal

import pytest
import torch
from torch import nn

from avlib.training.state import (
    Interruption,
    Progress,
    load_state,
    remove_states,
    save_state,
    state_key,
)

KEY = "0123456789abcdef"


def trained_pair(seed):
    """A small network and its optimizer after one step."""
    torch.manual_seed(seed)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return model, optimizer


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


def test_what_is_saved_is_what_is_loaded(tmp_path):
    model, optimizer = trained_pair(0)
    log = [{"epoch": 1, "val": None}]
    progress = Progress(2, 5, {"loss": 1.5}, 0.25, 1, {"weight": torch.ones(2)}, log)
    save_state(tmp_path, KEY, model, optimizer, progress)
    other, other_optimizer = trained_pair(1)
    found = load_state(tmp_path, KEY, other, other_optimizer)
    assert same(model, other)
    momenta = [o.state_dict()["state"][0]["momentum_buffer"] for o in (optimizer, other_optimizer)]
    assert torch.equal(*momenta)
    assert torch.equal(found.best_model.pop("weight"), progress.best_model.pop("weight"))
    assert found == progress


def test_without_a_state_training_begins_at_the_start(tmp_path):
    model, optimizer = trained_pair(0)
    before, _ = trained_pair(0)
    assert load_state(tmp_path / "absent", KEY, model, optimizer) == Progress()
    assert same(model, before)


def test_a_state_of_another_configuration_is_not_resumed(tmp_path):
    save_state(tmp_path, KEY, *trained_pair(0), Progress(epoch=3))
    assert load_state(tmp_path, "f" * 16, *trained_pair(0)) == Progress()


def test_a_damaged_state_gives_way_to_the_one_before(tmp_path, caplog):
    for epoch in (1, 2):
        save_state(tmp_path, KEY, *trained_pair(0), Progress(epoch=epoch))
    newest = max(tmp_path.iterdir())
    newest.write_bytes(newest.read_bytes()[:500])
    assert load_state(tmp_path, KEY, *trained_pair(0)).epoch == 1
    assert f"{newest} is damaged" in caplog.text


def test_the_newest_two_states_are_kept_and_leftovers_removed(tmp_path):
    (tmp_path / ".killed.part").touch()
    save_state(tmp_path, "f" * 16, *trained_pair(0), Progress(epoch=9))
    for epoch, step in ((9, 0), (9, 12), (10, 3)):
        save_state(tmp_path, KEY, *trained_pair(0), Progress(epoch=epoch, step=step))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"{KEY}-000009-000000012.pt", f"{KEY}-000010-000000003.pt"]
    assert load_state(tmp_path, KEY, *trained_pair(0)).step == 3


def test_a_state_that_would_execute_code_is_not_read(tmp_path):
    class Malicious:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    torch.save({"model": Malicious()}, tmp_path / f"{KEY}-000001-000000000.pt")
    assert load_state(tmp_path, KEY, *trained_pair(0)) == Progress()
    assert not (tmp_path / "executed").exists()


def test_removing_the_states_removes_their_folder_unless_something_else_is_in_it(tmp_path):
    directory = tmp_path / "state"
    save_state(directory, KEY, *trained_pair(0), Progress())
    (directory / "notes.txt").touch()
    remove_states(directory)
    assert [path.name for path in directory.iterdir()] == ["notes.txt"]
    (directory / "notes.txt").unlink()
    remove_states(directory)
    assert not directory.exists()
    remove_states(directory)


def test_keys_tell_parts_apart_even_where_their_joined_bytes_agree():
    assert state_key([b"ab", b"c"]) != state_key([b"a", b"bc"])
    assert state_key([b"ab", b"c"]) == state_key([b"ab", b"c"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_waits_for_the_check_and_exits_with_143(number):
    with Interruption() as interruption:
        interruption.check()
        signal.raise_signal(number)
        steps_after_the_signal = 1
        with pytest.raises(SystemExit) as exit_:
            interruption.check()
    assert exit_.value.code == 143
    assert steps_after_the_signal == 1


@pytest.fixture
def sigint_interrupts():
    """SIGINT raises KeyboardInterrupt, though a runner in the background starts with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("sigint_interrupts")
def test_the_same_signal_a_second_time_acts_at_once():
    with Interruption(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_the_handlers_of_before_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with Interruption():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
