"""CLIP's tokenizer, made from its vocabulary and merges, which are data; no code comes with them.

A folder has vocab.json and merges.txt, or tokenizer.json, of which the same two are read. Beside
them, tokenizer_config.json and special_tokens_map.json name the special tokens.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from memlib.denoisers.weights import read_json
from memlib.quoting import quoted, shortened
from memlib.sources import Source

LONGEST_FILE = 8 * 2**20  # bytes of merges.txt; CLIP's has 0.5 million
LARGEST_VOCABULARY = 65536
LONGEST_TOKEN = 256  # characters
LONGEST_PROMPT = 10_000  # characters
TOKENS = 77  # a prompt's, with start and end, where the files do not say
MOST_TOKENS = 512
FILES = ("vocab.json", "merges.txt", "tokenizer.json")
CONFIGS = ("tokenizer_config.json", "special_tokens_map.json")
SPECIAL = {
    "bos_token": "<|startoftext|>",
    "eos_token": "<|endoftext|>",
    "unk_token": "<|endoftext|>",
    "pad_token": "<|endoftext|>",
}


@dataclass(frozen=True)
class Reading:
    """What a tokenizer made of a prompt: `ids`, with start, end and padding; `cut`, the end of the
    prompt for which there was no room; `unknown`, the parts it has no token for.
    """

    ids: tuple[int, ...]
    cut: str = ""
    unknown: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What was not read, as a sentence for people; "" if everything was."""
        said = []
        if self.cut:
            room = len(self.ids)
            said.append(f"The prompt is longer than {room} tokens: {quoted(self.cut)} was cut off.")
        if self.unknown:
            words = ", ".join(quoted(word, 40) for word in self.unknown[:10])
            more = "" if len(self.unknown) <= 10 else f" and {len(self.unknown) - 10} more"
            said.append(f"The tokenizer does not know {words}{more}.")
        return " ".join(said)


@dataclass(frozen=True)
class Vocabulary:
    """The data of a tokenizer, checked."""

    ids: dict[str, int]
    merges: list[list[str]]  # pairs of tokens
    special: dict[str, str] = field(default_factory=lambda: dict(SPECIAL))
    room: int = TOKENS  # tokens of a prompt, with start and end


def tokenizer_files(folder: Path, source: Source) -> list[Path]:
    """List the files of a tokenizer that are read."""
    data = [folder / name for name in FILES if source.has(folder / name)]
    if {"vocab.json", "merges.txt"} <= {file.name for file in data}:
        data = data[:2]
    elif not data or data[-1].name != "tokenizer.json":
        raise ValueError(
            f"The tokenizer in {folder.name} has neither vocab.json and merges.txt nor a "
            "tokenizer.json; other tokenizers are not supported."
        )
    else:
        data = data[-1:]
    configs = [folder / name for name in CONFIGS if source.has(folder / name)]
    return [source.file(file) for file in (*data, *configs)]


def read_vocabulary(folder: Path, source: Source) -> Vocabulary:
    """Read a tokenizer's folder. Raises ValueError for anything but CLIP's kind of tokenizer."""
    files = {file.name: file for file in tokenizer_files(folder, source)}
    if "tokenizer.json" in files:
        model = read_json(files["tokenizer.json"]).get("model")
        model = model if isinstance(model, dict) else {}
        if model.get("type") != "BPE" or model.get("end_of_word_suffix") != "</w>":
            raise ValueError(
                f"The tokenizer in {folder.name} is not CLIP's kind, byte pairs whose words end in "
                "</w>; other tokenizers are not supported."
            )
        vocabulary, pairs = model.get("vocab"), model.get("merges")
    else:
        vocabulary, pairs = read_json(files["vocab.json"]), _lines(files["merges.txt"])
    special, room = dict(SPECIAL), TOKENS
    for name in (*CONFIGS[::-1],):
        told = read_json(files[name]) if name in files else {}
        special |= {key: text for key in SPECIAL if (text := _content(told.get(key)))}
        room = told.get("model_max_length", room)
    if isinstance(room, bool) or not isinstance(room, int) or room > MOST_TOKENS:
        room = TOKENS  # transformers writes 10^30 for "any"
    return Vocabulary(*_checked(vocabulary, pairs, special, folder.name), special, max(room, 3))


def _lines(file: Path) -> list[str]:
    try:
        if file.stat().st_size > LONGEST_FILE:
            raise ValueError(f"{file.name} in {file.parent.name} is too long to be merges.")
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file.name} in {file.parent.name} is not readable as text.") from error
    return [line for line in lines[lines[0].startswith("#version") :] if line.strip()]


def _content(told: Any) -> str:
    """Return a special token, which may be an object with its content."""
    told = told.get("content") if isinstance(told, dict) else told
    return told if isinstance(told, str) else ""


def _encodable(text: str) -> bool:
    """Whether a text is more than halves of pairs of UTF-16, which JSON can spell."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _checked(
    vocabulary: Any, pairs: Any, special: dict[str, str], name: str
) -> tuple[dict[str, int], list[list[str]]]:
    """Refuse a vocabulary or merges that do not fit together."""
    refusal = f"The tokenizer in {name} cannot be used"
    if not isinstance(vocabulary, dict) or not isinstance(pairs, list):
        raise ValueError(f"{refusal}: it has no vocabulary or no merges.")
    if len(vocabulary) > LARGEST_VOCABULARY or len(pairs) > LARGEST_VOCABULARY:
        raise ValueError(
            f"{refusal}: it has {len(vocabulary):,} tokens and {len(pairs):,} merges, more than "
            f"{LARGEST_VOCABULARY:,}."
        )
    for token, number in vocabulary.items():
        fits = type(number) is int and 0 <= number < LARGEST_VOCABULARY
        if len(token) > LONGEST_TOKEN or not _encodable(token) or not fits:
            raise ValueError(
                f"{refusal}: its token {quoted(token, 40)} is no text or too long, or its number "
                f"{quoted(number, 40)} is not one below {LARGEST_VOCABULARY:,}."
            )
    if len(set(vocabulary.values())) < len(vocabulary):
        raise ValueError(f"{refusal}: two of its tokens have the same number.")
    missing = sorted({token for token in special.values() if token not in vocabulary})
    if missing:
        raise ValueError(f"{refusal}: {quoted(missing[0], 40)} is not in its vocabulary.")
    merges = []
    for pair in pairs:
        parts = pair.split(" ") if isinstance(pair, str) else pair
        if (
            not isinstance(parts, list)
            or len(parts) != 2
            or not all(isinstance(part, str) and part in vocabulary for part in parts)
            or "".join(parts) not in vocabulary
        ):
            raise ValueError(f"{refusal}: its merge {quoted(pair, 60)} is not of two tokens.")
        merges.append(parts)
    return vocabulary, merges


class Tokenizer:
    """Prompts to numbers of tokens, as diffusers' pipelines do it: start, at most room - 2 tokens,
    end, padding.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        from transformers import CLIPTokenizer  # imported only for a model of text

        self.vocabulary = vocabulary
        merges = [(first, second) for first, second in vocabulary.merges]
        made = CLIPTokenizer(vocab=vocabulary.ids, merges=merges, **vocabulary.special)
        self._backend = made.backend_tokenizer
        self._backend.no_padding()
        self._backend.no_truncation()

    def __getstate__(self) -> Vocabulary:
        return self.vocabulary

    def __setstate__(self, vocabulary: Vocabulary) -> None:
        self.__init__(vocabulary)  # type: ignore[misc]

    def read(self, prompt: str) -> Reading:
        """Return the tokens of a prompt, and what was not read."""
        ids = self.vocabulary.ids
        start, end, unknown, pad = (
            ids[self.vocabulary.special[name]]
            for name in ("bos_token", "eos_token", "unk_token", "pad_token")
        )
        found = self._backend.encode(prompt, add_special_tokens=False)
        room = self.vocabulary.room - 2
        kept = found.ids[:room]
        cut = prompt[found.offsets[room][0] :] if len(found.ids) > room else ""
        # pieces of one unknown character share its place
        places = dict.fromkeys(
            place
            for place, number in zip(found.offsets, found.ids, strict=True)
            if number == unknown
        )
        words = dict.fromkeys(prompt[first:last] for first, last in places)
        known = {text.lower() for text in self.vocabulary.special.values()}
        return Reading(
            ids=(start, *kept, end, *[pad] * (room - len(kept))),
            cut=cut,
            unknown=tuple(word for word in words if word.lower() not in known),
        )


def check_prompt(prompt: object) -> str:
    """Return the prompt. Raises ValueError if it is not a text, or longer than anyone writes."""
    if not isinstance(prompt, str):
        raise ValueError(f"A prompt is a text, not {quoted(prompt, 60)}.")
    if not _encodable(prompt):
        raise ValueError(f"The prompt {quoted(prompt, 60)} contains characters that do not exist.")
    if len(prompt) > LONGEST_PROMPT:
        raise ValueError(
            f"The prompt has {len(prompt):,} characters, more than {LONGEST_PROMPT:,}: "
            f"{shortened(prompt, 60)}"
        )
    return prompt
