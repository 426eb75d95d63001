"""Texts as tokens, by the byte-pair encodings that CLIP and RoBERTa were trained with."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from avlib.errors import DataError
from avlib.io.atomic import atomic_path

Encoding = Literal["CLIP", "RoBERTa"]
TOKENIZER_FILES = ("vocab.json", "merges.txt")
BYTE_VOCABULARY = 261  # tokens of `write_byte_tokenizer`: the bytes, and five that are none


def tokenise(
    texts: Sequence[str], folder: Path, encoding: Encoding, longest: int
) -> list[list[int]]:
    """Return the tokens of each text, start and end token included.

    Args:
        texts: one or more.
        folder: holds the TOKENIZER_FILES of the published model; nothing is fetched.
        encoding: whose files these are; CLIP's ignores case.
        longest: tokens that the network takes.

    Raises:
        DataError: if the files cannot be read, or a text is too long.
    """
    from transformers import CLIPTokenizer, RobertaTokenizer  # takes seconds

    for name in TOKENIZER_FILES:
        if not (folder / name).is_file():
            raise DataError(f"{folder}: no {name}; expected that of the published {encoding}")
    kind = CLIPTokenizer if encoding == "CLIP" else RobertaTokenizer
    try:
        tokenizer = kind.from_pretrained(str(folder), local_files_only=True)
        found: list[list[int]] = [list(tokenizer(text)["input_ids"]) for text in texts]
    except Exception as error:  # the package raises bare exceptions
        reason = str(error).partition("\n")[0]
        raise DataError(f"{folder}: not a readable tokenizer of {encoding} ({reason})") from error
    for text, tokens in zip(texts, found, strict=True):
        if len(tokens) > longest:
            raise DataError(f"{len(tokens)} tokens in {text!r}, the network takes {longest}")
    return found


def write_byte_tokenizer(folder: Path) -> None:
    """Write a tokenizer of RoBERTa's kind whose tokens are single bytes.

    It serves networks that were trained with it, where the published one is not at hand.

    Args:
        folder: in which the TOKENIZER_FILES are written.
    """
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]  # bytes that stand for themselves
    symbols = [*map(chr, plain), *(chr(256 + i) for i in range(256 - len(plain)))]
    words = ["<s>", "<pad>", "</s>", "<unk>", *symbols, "<mask>"]
    contents = (json.dumps({word: i for i, word in enumerate(words)}), "#version: 0.2")
    for name, content in zip(TOKENIZER_FILES, contents, strict=True):
        with atomic_path(folder / name) as partial:
            partial.write_text(f"{content}\n", encoding="ascii")
