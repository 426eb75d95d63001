"""Texts as tokens, by the encodings that CLIP, RoBERTa and BERT were trained with."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.io.atomic import atomic_path

Encoding = Literal["CLIP", "RoBERTa", "BERT"]
TOKENIZER_FILES = ("vocab.json", "merges.txt")  # of CLIP and RoBERTa
WORD_FILES = ("vocab.txt",)  # of BERT and DistilBERT
SPACE = "\u0120"  # stands for it in the tokens of RoBERTa
BYTE_VOCABULARY = 261  # tokens of `write_byte_tokenizer`: the bytes, and five that are none


def tokenise(
    texts: Sequence[str], folder: Path, encoding: Encoding, longest: int, *, cuts: bool = False
) -> list[list[int]]:
    """Return the tokens of each text, start and end token included.

    Args:
        texts: one or more.
        folder: holds the TOKENIZER_FILES or WORD_FILES of the published model; nothing is fetched.
        encoding: whose files these are; those of CLIP and BERT ignore case.
        longest: tokens that the network takes.
        cuts: whether a longer text is cut; otherwise it is an error.

    Raises:
        DataError: if the files cannot be read, or a text is too long.
    """
    from transformers import BertTokenizer, CLIPTokenizer, RobertaTokenizer  # takes seconds

    for name in WORD_FILES if encoding == "BERT" else TOKENIZER_FILES:
        if not (folder / name).is_file():
            raise DataError(f"{folder}: no {name}; expected that of the published {encoding}")
    kinds: dict[str, Any] = {
        "CLIP": CLIPTokenizer,
        "RoBERTa": RobertaTokenizer,
        "BERT": BertTokenizer,
    }
    limit = {"truncation": True, "max_length": longest} if cuts else {}
    try:
        tokenizer = kinds[encoding].from_pretrained(str(folder), local_files_only=True)
        found: list[list[int]] = [list(tokenizer(text, **limit)["input_ids"]) for text in texts]
    except Exception as error:  # the package raises bare exceptions
        reason = str(error).partition("\n")[0]
        raise DataError(f"{folder}: not a readable tokenizer of {encoding} ({reason})") from error
    for text, tokens in zip(texts, found, strict=True):
        if len(tokens) > longest:
            raise DataError(f"{len(tokens)} tokens in {text!r}, the network takes {longest}")
    return found


def padded(
    rows: Sequence[Sequence[int]], filler: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the tokens of texts, padded to the longest, and their attention mask: (N, L).

    Args:
        rows: tokens of N texts, as `tokenise` returns them.
        filler: token that stands for padding.
    """
    lengths = np.array([len(row) for row in rows])
    is_token = np.arange(lengths.max()) < lengths[:, None]
    tokens = np.full(is_token.shape, filler, np.int64)
    tokens[is_token] = np.concatenate(rows)
    return tokens, is_token.astype(np.int64)


def write_byte_tokenizer(folder: Path, words: Sequence[str] = ()) -> None:
    """Write a tokenizer of RoBERTa's kind whose tokens are single bytes, or whole words.

    It serves networks that were trained with it, where the published one is not at hand.

    Args:
        folder: in which the TOKENIZER_FILES are written.
        words: of ASCII; each is one token after a space, and mostly at the start of a text.
    """
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]  # bytes that stand for themselves
    symbols = [*map(chr, plain), *(chr(256 + i) for i in range(256 - len(plain)))]
    merges = byte_merges(words)
    joined = [left + right for left, right in merges]
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *symbols, "<mask>", *joined]
    vocabulary = json.dumps({token: i for i, token in enumerate(tokens)})
    rules = "\n".join(["#version: 0.2", *(f"{left} {right}" for left, right in merges)])
    for name, content in zip(TOKENIZER_FILES, (vocabulary, rules), strict=True):
        with atomic_path(folder / name) as partial:
            partial.write_text(f"{content}\n", encoding="utf-8")


def byte_merges(words: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pairs of tokens to join, in order, until each word is one token.

    Words after a space come first, so that no pair of theirs is taken by another word.
    """
    pairs = [
        (text[:end], text[end])
        for start in (SPACE, "")
        for text in (start + word for word in words)
        for end in range(1, len(text))
    ]
    return list(dict.fromkeys(pairs))


def write_word_tokenizer(folder: Path, words: Sequence[str]) -> None:
    """Write a tokenizer of BERT's kind; for networks that were trained with it.

    Args:
        folder: in which the WORD_FILES are written.
        words: the tokens in order, `[PAD]` first, with `[UNK]`, `[CLS]`, `[SEP]` and `[MASK]`.
    """
    with atomic_path(folder / WORD_FILES[0]) as partial:
        partial.write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
