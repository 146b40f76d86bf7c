"""The operations of a decoder process: list an archive, unpack a file, read a table, decode
pictures. It receives open files and bytes, never a path.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

from memlib.confined import SECONDS, Operation, allow
from memlib.images import archives, headers
from memlib.images.archives import Member
from memlib.images.columns import read_table
from memlib.images.decode import decode
from memlib.images.transform import Transform

PART = 2**19  # letters or bytes in one frame of an answer
HEAVY = 2**14  # bytes of a picture that may take long to decode
Answers = Iterator[tuple[dict[str, Any], Any]]


def list_members(header: dict[str, Any], _: bytearray, files: Sequence[BinaryIO]) -> Answers:
    """Answer with the names and an array (n, 5) int64 of the fields of `Member`, of an archive's
    pictures.
    """
    lister = {"zip": archives.list_zip, "tar": archives.list_tar}[header["kind"]]
    for part in _parts(lister(files[0], header["name"]), lambda one: len(one[0])):
        members = np.array([member for _, member in part], np.int64)
        yield {"names": [name for name, _ in part]}, members.tobytes()


def unpack_file(header: dict[str, Any], _: bytearray, files: Sequence[BinaryIO]) -> Answers:
    """Answer with the bytes to which a .gz, or the array of an .npz, unpacks."""
    unpacked = (
        archives.gunzip(files[0], header["name"])
        if header["kind"] == "gz"
        else headers.unpack_npz(files[0], header["name"], header["array"])
    )
    for block in unpacked:
        yield {}, block


def list_arrays(header: dict[str, Any], _: bytearray, files: Sequence[BinaryIO]) -> Answers:
    """Answer with the names, types and shapes of the arrays in an .npz."""
    for found in headers.list_arrays(files[0], header["name"]):
        yield found, b""


def read_labels(_: dict[str, Any], __: bytearray, files: Sequence[BinaryIO]) -> Answers:
    for part in _parts(headers.read_labels(files[0]), len):
        yield {"labels": part}, b""


def read_header(header: dict[str, Any], _: bytearray, files: Sequence[BinaryIO]) -> Answers:
    yield headers.read_header(files[0], header["name"]), b""


def read_columns(header: dict[str, Any], body: bytearray, _: Sequence[BinaryIO]) -> Answers:
    """Answer with the columns of a metadata.csv, and the rows of the pictures named in the request;
    of two rows of one picture the last counts.
    """
    member = Member(*header["member"])
    wanted = set(json.loads(body[member.packed :]))
    columns, rows = read_table(archives.unpack(bytes(body[: member.packed]), member))
    try:
        found = {key: values for key, values in rows if key in wanted}
    except csv.Error:  # the pictures are usable without the table
        return
    yield {"columns": columns}, b""
    for part in _parts(found.items(), lambda row: len(row[0]) + sum(map(len, row[1]))):
        yield {"rows": part}, b""


def read_parquet(header: dict[str, Any], _: bytearray, files: Sequence[BinaryIO]) -> Answers:
    """Answer with the lengths of some pictures (-1 for none), the values of each column, and the
    bytes.
    """
    from memlib.images.parquet import read_rows  # importing pyarrow is slow

    for pictures, columns in read_rows(files, header["name"]):
        rows = zip(pictures, *columns.values(), strict=True)
        for part in _parts(rows, lambda row: sum(len(value or "") for value in row)):
            chosen, *values = zip(*part, strict=True)
            lengths = [-1 if data is None else len(data) for data in chosen]
            known = dict(zip(columns, values, strict=True))
            yield {"lengths": lengths, "columns": known}, b"".join(data or b"" for data in chosen)


def decode_pictures(header: dict[str, Any], body: bytearray, _: Sequence[BinaryIO]) -> Answers:
    """Answer with each picture's pixels after the transform, or a phrase that says why there are
    none.
    """
    transform, start = Transform(**header["transform"]), 0
    members = [Member(*values) for values in header["members"]]
    for member, following in zip(members, [*members[1:], None], strict=True):
        packed = bytes(memoryview(body)[start : start + member.packed])
        start += member.packed
        allow(SECONDS)
        found, pixels = _decoded(packed, member, transform)
        # finished pictures are sent before one that may end this process
        yield {**found, "now": following is not None and following.packed > HEAVY}, pixels


def _decoded(packed: bytes, member: Member, transform: Transform) -> tuple[dict[str, Any], Any]:
    try:
        pixels = transform(decode(archives.unpack(packed, member)))
    except ValueError as error:
        return {"reason": str(error)}, b""
    except MemoryError:
        return {"reason": "needs too much memory to open"}, b""
    return {"shape": pixels.shape}, np.ascontiguousarray(pixels).data.cast("B")


def _parts(items: Iterable[Any], size: Any) -> Iterator[list[Any]]:
    part: list[Any] = []
    length = 0
    for item in items:
        part.append(item)
        length += size(item)
        if length > PART or len(part) == 10_000:
            yield part
            part, length = [], 0
    if part:
        yield part


OPERATIONS: dict[str, Operation] = {
    "list": list_members,
    "unpack": unpack_file,
    "arrays": list_arrays,
    "labels": read_labels,
    "header": read_header,
    "columns": read_columns,
    "parquet": read_parquet,
    "decode": decode_pictures,
}
