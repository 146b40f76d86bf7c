"""Sources of pictures: their names, their metadata, and a way to read some of them.

Encoded pictures are read here and decoded in a confined child process; arrays are read in this
process.
"""

import hashlib
import json
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, BinaryIO, Protocol

import numpy as np

from memlib.confined import SECONDS, Children, Ended, Frame, Tick
from memlib.images.archives import Member, check_member
from memlib.images.columns import TABLE, join
from memlib.images.decode import LARGEST_PICTURE
from memlib.images.transform import Pixels, Transform
from memlib.quoting import shortened

TOGETHER = 64  # pictures of one request
GROUP = 16 * 2**20  # bytes of one request, or one picture
LARGEST_PART = 2**27  # bytes of one part of an answer about a file
SPEED = 10 * 2**20  # bytes of a file for which a child gets an extra second
MOST_ENDED = 10  # how often pictures may end their process before the whole source is refused
LARGEST_KEPT = 64 * 2**20  # bytes of decoded pictures that a set keeps
DECODERS = Children("memlib.images.child", ("memlib", "memlib.images"))


class Pictures(Protocol):
    """Pictures by number. `stamp` changes whenever the files do; "" is never cached on disk."""

    names: list[str]
    metadata: dict[str, list[str]]
    stamp: str

    def read(
        self, places: Sequence[int], transform: Transform, tick: Tick | None = None
    ) -> Iterator[Pixels | ValueError]:
        """Return the pictures at these places, (C, H, W) after the transform; instead of one that
        cannot be used, a ValueError with a phrase that says why.

        `tick` is called about once a second while this waits; an exception it raises ends the
        reading.
        """
        ...


class Decoded(ABC):
    """Pictures that are already arrays."""

    @abstractmethod
    def picture(self, place: int) -> Pixels: ...

    def read(
        self, places: Sequence[int], transform: Transform, tick: Tick | None = None
    ) -> Iterator[Pixels | ValueError]:
        for place in places:
            try:
                yield transform(self.picture(place))
            except ValueError as error:
                yield error


class Encoded(ABC):
    """Pictures that a child process decodes."""

    _ended = 0

    @abstractmethod
    def packed(self, place: int) -> tuple[Member, bytes]:
        """Return the bytes of one picture and how they are packed. Raises ValueError, with a
        phrase, or OSError if they cannot be read.
        """

    def read(
        self, places: Sequence[int], transform: Transform, tick: Tick | None = None
    ) -> Iterator[Pixels | ValueError]:
        start = 0
        while start < len(places):
            group: list[tuple[Member, bytes] | ValueError] = []
            size = 0
            while start + len(group) < len(places) and len(group) < TOGETHER and size < GROUP:
                one = self._packed(places[start + len(group)])
                size += 0 if isinstance(one, ValueError) else len(one[1])
                group.append(one)
            answers = self._decoded(
                [one for one in group if isinstance(one, tuple)], transform, tick
            )
            for one in group:
                yield one if isinstance(one, ValueError) else next(answers)
            assert next(answers, None) is None  # the child has finished and is idle again
            start += len(group)

    def _packed(self, place: int) -> tuple[Member, bytes] | ValueError:
        try:
            return self.packed(place)
        except ValueError as error:
            return error
        except OSError:
            return ValueError("cannot be read")

    def _decoded(
        self, waiting: Sequence[tuple[Member, bytes]], transform: Transform, tick: Tick | None
    ) -> Iterator[Pixels | ValueError]:
        """Decode some pictures. After one of them ends the child, decode one by one to find it."""
        together = len(waiting)
        while waiting:
            count, part = 0, waiting[:together]
            try:
                for found in decoded(part, transform, tick):
                    count += 1
                    yield found
            except Ended as error:
                if len(part) - count > 1:
                    together = 1
                else:
                    count += 1
                    yield self._refused(error)
            waiting = waiting[count:]

    def _refused(self, error: Ended) -> ValueError:
        self._ended += 1
        if self._ended > MOST_ENDED:
            raise ValueError(
                f"More than {MOST_ENDED} pictures take too long or too much memory to open; the "
                "others were not tried."
            ) from error
        return ValueError(str(error))


class Kept:
    """Encoded pictures whose pixels stay in memory once they were decoded, as far as LARGEST_KEPT
    bytes reach: a small set is decoded once, however often it is read.
    """

    def __init__(self, pictures: Encoded) -> None:
        self._pictures = pictures
        self._pixels: dict[tuple[int, Transform], Pixels] = {}
        self._bytes = 0

    def read(
        self, places: Sequence[int], transform: Transform, tick: Tick | None = None
    ) -> Iterator[Pixels | ValueError]:
        """Read as `Encoded.read` does. Arrays are read-only, since they are shared."""
        known = [self._pixels.get((place, transform)) for place in places]
        missing = [place for place, one in zip(places, known, strict=True) if one is None]
        fresh = self._pictures.read(missing, transform, tick)
        for place, one in zip(places, known, strict=True):
            yield self._keep(place, transform, next(fresh)) if one is None else one
        assert next(fresh, None) is None

    def _keep(
        self, place: int, transform: Transform, found: Pixels | ValueError
    ) -> Pixels | ValueError:
        if not isinstance(found, ValueError) and self._bytes + found.nbytes <= LARGEST_KEPT:
            found.flags.writeable = False
            self._pixels[place, transform] = found
            self._bytes += found.nbytes
        return found


def decoded(
    packed: Sequence[tuple[Member, bytes]], transform: Transform, tick: Tick | None = None
) -> Iterator[Pixels | ValueError]:
    """Decode what was read, in a child; Ended stands for a picture that ended it."""
    if not packed:
        return
    header = {
        "do": "decode",
        "transform": asdict(transform),
        "members": [member for member, _ in packed],
    }
    largest = LARGEST_PICTURE * 3
    for found, data in DECODERS.ask(header, [one for _, one in packed], largest=largest, tick=tick):
        if "reason" in found:
            yield ValueError(shortened(str(found["reason"]), 300))
        else:
            yield _checked(found.get("shape"), data, transform)


def decode_one(data: bytes, transform: Transform) -> Pixels:
    """Decode one picture in a child. Raises ValueError with a phrase about it."""
    try:
        (found,) = decoded([whole(data)], transform)
    except Ended as error:
        raise ValueError(str(error)) from error
    if isinstance(found, ValueError):
        raise found
    return found


def ask_about(
    do: str, name: str, files: Sequence[BinaryIO], tick: Tick | None = None, **details: Any
) -> Iterator[Frame]:
    """Ask a child about open files. Raises ValueError, with a sentence, if they take too much time
    or memory.

    Large files get more time.
    """
    size = sum(os.fstat(file.fileno()).st_size for file in files)
    seconds = SECONDS + size / SPEED
    header = {"do": do, "name": name, **details}
    try:
        yield from DECODERS.ask(
            header,
            files=[file.fileno() for file in files],
            seconds=seconds,
            largest=LARGEST_PART,
            tick=tick,
        )
    except Ended as error:
        raise ValueError(f"{name!r} {error}.") from error
    except ValueError as error:
        text = str(error)
        raise ValueError(text if text.endswith(".") else f"{name!r} {text}.") from error


def columns_of(
    member: Member, data: bytes, keys: Sequence[str], tick: Tick | None = None
) -> dict[str, list[str]]:
    """Return the columns of a metadata.csv in the order of the pictures named `keys`; none if it is
    damaged.
    """
    names: list[str] = []
    found: list[tuple[str, list[str]]] = []
    header = {"do": "columns", "member": member}
    try:
        for answer, _ in DECODERS.ask(header, [data, json.dumps(keys).encode()], tick=tick):
            names = words(answer.get("columns", names))
            for key, values in answer.get("rows", []):
                if len(words(values)) != len(names):
                    return {}
                found.append((str(key), values))
    except Ended as error:
        raise ValueError(f"{TABLE!r} {error}.") from error
    except ValueError as error:
        if str(error).startswith(repr(TABLE)):
            raise
        return {}
    return join(names, iter(found), keys)


def words(values: object) -> list[str]:
    """Return a list of texts that a child sent. Raises ValueError if it is not one."""
    if isinstance(values, list) and all(isinstance(value, str) for value in values):
        return values
    raise ValueError("is damaged")


def write_temporary(parts: Iterator[Frame]) -> BinaryIO:
    """Write the bodies of an answer to a temporary file, which is deleted when it is closed."""
    file: BinaryIO = tempfile.TemporaryFile(prefix="afterimage-")  # noqa: SIM115 - lives as long as the pictures
    for _, data in parts:
        file.write(data)
    file.flush()
    return file


def read_at(file: BinaryIO, start: int, size: int) -> bytes:
    """Read some bytes of an open file at an offset; sessions share the file, so its position is not
    used.
    """
    data = os.pread(file.fileno(), size, start)
    if len(data) < size:
        raise ValueError("is cut off")
    return data


def stamp_of(entries: Sequence[tuple[str, int, int]]) -> str:
    """Return a hash of files' names, sizes and times of change."""
    total = hashlib.sha256()
    for entry in entries:
        total.update(f"{entry}".encode(errors="replace"))
    return total.hexdigest()[:16]


def whole(data: bytes) -> tuple[Member, bytes]:
    """Read bytes that are not part of an archive. Raises ValueError, with a phrase, if there are
    too many.
    """
    member = Member(0, len(data), len(data))
    check_member(member)
    return member, data


def _checked(shape: object, data: bytearray, transform: Transform) -> Pixels:
    """Return the pixels that a child sent, if they have the right size."""
    if (
        isinstance(shape, list)
        and len(shape) == 3
        and all(isinstance(side, int) and side > 0 for side in shape)
        and shape[0] in (1, 3)
        and transform.channels in (None, shape[0])
        and transform.size in (None, shape[1])
        and transform.size in (None, shape[2])
        and shape[0] * shape[1] * shape[2] == len(data)
    ):
        return np.frombuffer(data, np.uint8).reshape(shape)
    raise Ended("made the process that read it answer nonsense")
