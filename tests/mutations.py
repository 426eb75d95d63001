"""Seeded damage of files, as a disk, a network or an attacker does it."""

import random
from collections.abc import Sequence


def mutate(content: bytes, donors: Sequence[bytes], chance: random.Random) -> bytes:
    """Return a damaged copy: one to three flips, cuts, splices, repeats or wrong numbers.

    Args:
        content: of the file.
        donors: contents of other files, parts of which are put in.
        chance: decides everything.
    """
    damaged = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 3))):
        chance.choice(DAMAGES)(damaged, donors, chance)
    return bytes(damaged)


def _flip(content: bytearray, _donors: Sequence[bytes], chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 1, 4))):
        if content:
            content[chance.randrange(len(content))] = chance.randrange(256)


def _cut(content: bytearray, _donors: Sequence[bytes], chance: random.Random) -> None:
    del content[chance.randint(0, len(content)) :]


def _remove(content: bytearray, _donors: Sequence[bytes], chance: random.Random) -> None:
    start = chance.randint(0, len(content))
    del content[start : start + chance.randint(1, 64)]


def _repeat(content: bytearray, _donors: Sequence[bytes], chance: random.Random) -> None:
    start = chance.randint(0, len(content))
    content[start:start] = content[start : start + chance.randint(1, 256)] * chance.choice((1, 9))


def _splice(content: bytearray, donors: Sequence[bytes], chance: random.Random) -> None:
    donor = chance.choice(donors) if donors else content
    start, place = chance.randint(0, len(donor)), chance.randint(0, len(content))
    length = chance.choice((16, 128, len(donor)))
    content[place : place + chance.choice((0, length))] = donor[start : start + length]


def write_number(content: bytearray, _donors: Sequence[bytes], chance: random.Random) -> None:
    """Write an extreme number of 1, 2, 4 or 8 bytes, as a size, count or time would be."""
    width = chance.choice((1, 2, 4, 8))
    value = chance.choice((0, 1, 2**31, 2 ** (8 * width - 1), 2 ** (8 * width) - 1, 2**40 + 7))
    place = chance.randint(0, len(content))
    order = chance.choice(("little", "big"))
    content[place : place + width] = (value % 2 ** (8 * width)).to_bytes(width, order)


DAMAGES = (_flip, _cut, _remove, _repeat, _splice, write_number)
