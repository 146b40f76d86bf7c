"""The text demo's tokenizer: CLIP's byte pairs, with a small vocabulary of its own captions.

A word is a run of letters, of other signs, or one digit, as bytes; the last byte of a word is
another symbol, with `</w>`. Every byte is in the vocabulary, so that no text has unknown tokens.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

MERGES = 1_000
LENGTH = 32  # tokens of a caption, with the two at its ends
START, END = "<|startoftext|>", "<|endoftext|>"
WORDS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|(?:[^\s\w]|_)+")


def byte_signs() -> list[str]:
    """Return the printable sign that stands for each byte, as in GPT-2 and CLIP."""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte if byte in own else next(others)) for byte in range(256)]


def learn_merges(captions: Iterable[str], count: int = MERGES) -> list[tuple[str, str]]:
    """Return the pairs of symbols to join, the most frequent first (Sennrich et al., 2016)."""
    signs = byte_signs()
    found: Counter[tuple[str, ...]] = Counter()
    for caption in captions:
        for word in WORDS.findall(caption.lower()):
            *first, last = (signs[byte] for byte in word.encode())
            found[*first, f"{last}</w>"] += 1
    words = dict(found)
    merges: list[tuple[str, str]] = []
    while len(merges) < count:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, times in words.items():
            for pair in pairwise(word):
                pairs[pair] += times
        if not pairs:
            break
        merges.append(min(pairs, key=lambda pair: (-pairs[pair], pair)))
        words = {_joined_word(word, merges[-1]): times for word, times in words.items()}
    return merges


def _joined_word(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    joined: list[str] = []
    place = 0
    while place < len(word):
        both = word[place : place + 2] == pair
        joined.append("".join(pair) if both else word[place])
        place += 2 if both else 1
    return tuple(joined)


def write_tokenizer(folder: Path, captions: Iterable[str]) -> None:
    """Write the files of a CLIPTokenizer: vocab.json, merges.txt and its settings."""
    merges = learn_merges(captions)
    signs = sorted(byte_signs())
    symbols = [*signs, *(f"{sign}</w>" for sign in signs), *map("".join, merges), START, END]
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH} | special
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {symbol: place for place, symbol in enumerate(symbols)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))
