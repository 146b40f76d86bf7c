"""Listing the pictures of a zip or a tar: the position of each in the file, and how it is packed.

Nothing is unpacked to a path from an archive: such paths are only shown. Headers, members and
claimed unpacked sizes are limited. This module does not use torch, since decoder processes import
it.
"""

import gzip
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple

from memlib.images.columns import TABLE
from memlib.images.decode import LARGEST_FILE, SUFFIXES

RATIO = 200  # an archive may unpack to this many times its size
ALLOWANCE = 64 * 2**20  # plus this many bytes
MOST_PICTURES = 5_000_000
MOST_SMALL = 100_000  # pictures in any file; more only if each takes SMALLEST bytes of it
SMALLEST = 8
LONGEST_HEADER = 2**14  # bytes of one tar header; tarfile needs quadratic time for malicious ones
LONGEST_PATH = 4096
STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
NO_SUM = -1  # for an archive without a CRC-32
DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    OSError,
    EOFError,
    RuntimeError,  # recursion that is too deep, for example
    NotImplementedError,
    zlib.error,
    OverflowError,
    LookupError,
    TypeError,
    AttributeError,
    UnicodeError,
)


class Member(NamedTuple):
    """A file in an archive: where its header or its bytes start, its packed size, its compression,
    its unpacked size, and its CRC-32 or NO_SUM.
    """

    offset: int
    packed: int
    size: int
    method: int = STORED
    crc: int = NO_SUM


def check_unpacked(size: int, packed: int, name: str) -> None:
    """Raise ValueError for data that unpacks to far more than pictures do."""
    if size > RATIO * packed + ALLOWANCE:
        raise ValueError(
            f"{name!r} would unpack to {size / 2**20:,.0f} MB, more than {RATIO} times its own "
            "size; pictures do not pack so well."
        )


def check_pictures(count: int, packed: int, name: str) -> None:
    """Raise ValueError for more pictures than a file of `packed` bytes can contain, or than the
    limit.
    """
    if count > min(MOST_PICTURES, MOST_SMALL + packed // SMALLEST):
        raise ValueError(
            f"{name!r} claims to hold {count:,} pictures in {packed:,} bytes, more than is read."
        )


def list_zip(file: BinaryIO, name: str) -> Iterator[tuple[str, Member]]:
    """List the pictures of a zip in the order of their names, and its metadata.csv; `offset` is
    that of the local header.
    """
    packed = file.seek(0, os.SEEK_END)
    try:
        members = {info.filename: info for info in zipfile.ZipFile(file).infolist()}
    except (*DAMAGE, ValueError) as error:
        raise ValueError(f"{name!r} is damaged or not a zip file.") from error
    names = sorted(one for one in members if is_picture(one))
    check_pictures(len(names), packed, name)
    check_unpacked(sum(members[one].file_size for one in names), packed, name)
    for one in [*names, *([TABLE] if TABLE in members else [])]:
        info = members[one]
        method = -1 if info.flag_bits & 1 else info.compress_type  # encrypted
        yield (
            one,
            Member(info.header_offset, info.compress_size, info.file_size, method, info.CRC),
        )


def list_tar(file: BinaryIO, name: str) -> Iterator[tuple[str, Member]]:
    """List the pictures of a tar in the order of their names, and its metadata.csv."""
    packed = file.seek(0, os.SEEK_END)
    file.seek(0)
    members: dict[str, Member] = {}
    last = -1
    try:
        with tarfile.open(fileobj=_Headers(file), mode="r:") as archive:  # type: ignore[call-overload]
            for entry in archive:
                # such a header can make a reader loop forever
                if entry.size < 0 or entry.offset <= last:
                    raise tarfile.ReadError("going backwards")
                last = entry.offset
                one = entry.name.removeprefix("./")
                if (
                    entry.isreg()
                    and entry.sparse is None
                    and (is_picture(entry.name) or one == TABLE)
                ):
                    members[one] = Member(entry.offset_data, entry.size, entry.size)
                    if len(members) > MOST_PICTURES:
                        break
                archive.members = []  # tarfile would keep every member in memory
    except (*DAMAGE, ValueError) as error:
        raise ValueError(f"{name!r} is damaged or not a tar file.") from error
    names = sorted(one for one in members if one != TABLE)
    check_pictures(len(names), packed, name)
    for one in [*names, *([TABLE] if TABLE in members else [])]:
        yield one, members[one]


def gunzip(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield the content of a gzip file, piece by piece."""
    packed, size = file.seek(0, os.SEEK_END), 0
    file.seek(0)
    try:
        with gzip.open(file) as source:
            while block := source.read(2**20):
                size += len(block)
                check_unpacked(size, packed, name)
                yield block
    except DAMAGE as error:
        raise ValueError(f"{name!r} is damaged or not a tar file.") from error


def unpack(data: bytes, member: Member) -> bytes:
    """Unpack the bytes of a member. Raises ValueError with a phrase about it."""
    check_member(member)
    if member.method == DEFLATED:
        engine = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = engine.decompress(data, member.size + 1)
        except zlib.error as error:
            raise ValueError("cannot be read") from error
    if len(data) != member.size or member.crc not in (NO_SUM, zlib.crc32(data)):
        raise ValueError("cannot be read")
    return data


def check_member(member: Member) -> None:
    """Raise ValueError, with a phrase, for a member that is too large or packed in an
    unknown way.
    """
    if max(member.size, member.packed) > LARGEST_FILE:
        raise ValueError(f"is larger than {LARGEST_FILE >> 20} MB")
    if member.method not in (STORED, DEFLATED):
        raise ValueError("is packed in a way that is not supported")


def is_picture(name: str) -> bool:
    """Return whether a path in an archive is that of a picture, and not hidden."""
    path = PurePosixPath(name)
    return (
        len(name) <= LONGEST_PATH
        and not name.endswith("/")
        and path.suffix.lower() in SUFFIXES
        and not name.startswith(("__MACOSX/", ".git/"))
        and not path.name.startswith(".")
    )


class _Headers:
    """A tar whose headers tarfile reads, each up to a limited length, whatever it claims."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.close = file.seek, file.tell, lambda: None

    def read(self, size: int) -> bytes:
        if not 0 <= size <= LONGEST_HEADER:
            raise tarfile.ReadError("a header of impossible length")
        return self._file.read(size)
