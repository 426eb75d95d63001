"""Texts about the actions of the miniatures, and the words that they consist of.

Originals are short, as people wrote them. Descriptions, in the place of those that a language model
wrote for the benchmarks, say what is heard; here they are put together from phrases.
"""

import re
import string

import numpy as np

from avlib.datasets.miniature.kitchen import ACTIONS, NOUNS, SOUND_CLASSES, VERBS, Action

_DESCRIPTIONS = ("The sound of {}.", "{} can be heard.", "Someone hears {} nearby.")
_CLASS_DESCRIPTIONS = ("A recording of {}.", "The noise of {}.")
_CLASS_ENDINGS = ("things in a kitchen", "something in a room")
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def narration(action: Action, rng: np.random.Generator, *, is_on_counter: bool = False) -> str:
    """Return a narration as EPIC-KITCHENS has them, `put pan on counter`."""
    words = [_one(VERBS[action.verb].words, rng), _one(NOUNS[action.noun].words, rng)]
    return " ".join([*words, *(("on", "counter") if is_on_counter else ())])


def sentence(action: Action, rng: np.random.Generator) -> str:
    """Return a narration as Ego4D has them, without its marks, `a person puts the pan`."""
    verb, noun = _one(VERBS[action.verb].third, rng), _one(NOUNS[action.noun].words, rng)
    return f"a person {verb} the {noun}"


def description(action: Action, rng: np.random.Generator) -> str:
    """Return what is heard of an action."""
    verb, noun = VERBS[action.verb], NOUNS[action.noun]
    return _sentence(_DESCRIPTIONS, f"{_one(verb.heard, rng)} {_one(noun.heard, rng)}", rng)


def class_description(class_id: int, rng: np.random.Generator) -> str:
    """Return what is heard of a class of EPIC-SOUNDS, a key of SOUND_CLASSES."""
    action = next(action for action in ACTIONS if action.sound_class[0] == class_id)
    verb, noun = VERBS[action.verb], NOUNS[action.noun]
    ending = _one(_CLASS_ENDINGS if verb.sound_class else noun.heard, rng)
    return _sentence(_CLASS_DESCRIPTIONS, f"{_one(verb.heard, rng)} {ending}", rng)


def spoken_words() -> list[str]:
    """Return all words of the texts, as they are written inside a text, sorted."""
    phrases = [*SOUND_CLASSES.values(), *_CLASS_ENDINGS, *_DESCRIPTIONS, *_CLASS_DESCRIPTIONS]
    phrases += [phrase for verb in VERBS for phrase in (*verb.words, *verb.third, *verb.heard)]
    phrases += [phrase for noun in NOUNS for phrase in (*noun.words, *noun.heard)]
    phrases += ["on counter", "a person the"]
    return sorted({word for phrase in phrases for word in re.findall("[a-z]+", phrase.lower())})


def vocabulary() -> list[str]:
    """Return the lines of a `vocab.txt` of WordPiece in which no word is unknown.

    There are all words of the texts, and every printable character of ASCII alone, at the start of
    a word and inside, into which words of other texts are divided.
    """
    letters = string.ascii_lowercase + string.digits
    pieces = [*letters, *string.punctuation, *(f"##{letter}" for letter in letters)]
    return [*_SPECIAL, *pieces, *(word for word in spoken_words() if len(word) > 1)]


def _one(phrases: tuple[str, ...], rng: np.random.Generator) -> str:
    return phrases[int(rng.integers(len(phrases)))]


def _sentence(patterns: tuple[str, ...], phrase: str, rng: np.random.Generator) -> str:
    text = _one(patterns, rng).format(phrase)
    return text[0].upper() + text[1:]
