"""Weights in PyTorch's own formats (.ckpt, .pt, .pth, .bin), written as safetensors.

Such a file is a pickle, which may name any function to be called. PyTorch's restricted reader calls
none but those that put tensors together. It runs in a confined child process, which is handed the
open file and, before it reads it, gives up opening anything else: no file, no connection.
"""

import io
import json
import os
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import torch

from memlib.confined import Child, Ended, Operation, Tick
from memlib.denoisers.limits import limit_memory, seal
from memlib.quoting import first_line, quoted, shortened

SUFFIXES = (".ckpt", ".pt", ".pth", ".bin")
SECONDS = 300  # of computing that reading a file may take
MEMORY = 64 * 2**30  # bytes of address space of a child, at most
READER = 2**30  # bytes that reading needs beside the file
MOST_TENSORS = 4096
DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def write_safetensors(
    weights: Path, target: Path, part: str | None = None, tick: Tick | None = None
) -> None:
    """Write the tensors of a state dict as safetensors, in their own precision.

    `part` names the entry of the file that is the state dict; None means the file itself. What is
    written is as untrusted as the file. Raises ValueError for anything but a state dict of dense
    tensors.
    """
    name = quoted(weights.name, 100)
    child = Child("memlib.denoisers.pickles", ("memlib", "memlib.denoisers"))
    try:
        with weights.open("rb") as file, target.open("wb") as out:
            largest = max(os.fstat(file.fileno()).st_size, 2**20)
            asked = {"do": "read", "part": part}
            for found, body in child.ask(
                asked, files=[file.fileno()], seconds=SECONDS, largest=largest, tick=tick
            ):
                if "tensors" in found:
                    header = json.dumps(found["tensors"]).encode()
                    header += b" " * (-len(header) % 8)
                    out.write(struct.pack("<Q", len(header)) + header)
                out.write(body)
    except Ended as error:
        raise ValueError(f"{name} {error}.") from error
    except ValueError as error:
        raise ValueError(f"{name} {str(error).rstrip('.')}.") from error
    finally:
        child.end()


def _read(
    header: dict[str, Any], _: bytearray, files: Sequence[BinaryIO]
) -> Iterator[tuple[dict[str, Any], Any]]:
    """Answer with the header of a safetensors file, then with the numbers of each tensor."""
    for new in (True, False):  # which imports what reading needs, while files can be opened
        example = io.BytesIO()
        torch.save({"": torch.zeros(1)}, example, _use_new_zipfile_serialization=new)
        example.seek(0)
        _load(example)
    limit_memory(files, READER, MEMORY)
    seal()
    try:
        found = _load(files[0])
    except MemoryError:
        raise
    except Exception as error:  # of many kinds
        raise ValueError(_reason(error)) from error
    tensors = _state_dict(found, header["part"])
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.numel() * tensor.element_size()
        entries[name] = {
            "dtype": DTYPES[tensor.dtype],
            "shape": [*tensor.shape],
            "data_offsets": [start, end],
        }
    yield {"tensors": entries}, b""
    for tensor in tensors.values():
        yield {}, tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data


def _load(stream: BinaryIO) -> Any:
    return torch.load(stream, map_location="cpu", weights_only=True)


def _reason(error: Exception) -> str:
    if named := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return (
            f"asks for {shortened(named[1], 60)}, which is no part of a tensor: only state dicts "
            "of tensors are converted"
        )
    return f"cannot be read as a state dict of tensors ({first_line(error, 100)})"


def _state_dict(found: Any, part: str | None) -> Mapping[str, torch.Tensor]:
    """Return the state dict in what was read. Raises ValueError, with a phrase, if there is
    none.
    """
    if part is not None:
        if not isinstance(found, Mapping) or part not in found:
            raise ValueError(f"has no part {quoted(part, 60)}")
        found = found[part]
    if not isinstance(found, Mapping) or not found:
        raise ValueError(f"contains something {_kind(found)}, not a state dict of tensors")
    if len(found) > MOST_TENSORS:
        raise ValueError(f"contains {len(found):,} tensors, too many for a network")
    wrong = next((name for name, one in found.items() if not _plain(name, one)), None)
    if wrong is not None:
        parts = [
            quoted(name, 40)
            for name, one in found.items()
            if isinstance(one, Mapping) and one and all(_plain(*each) for each in one.items())
        ]
        chosen = f"; choose a part that is one: --part {' or '.join(parts[:5])}" if parts else ""
        raise ValueError(
            f"is not a state dict of dense tensors: {quoted(wrong, 60)} is "
            f"{_kind(found[wrong])}{chosen}"
        )
    return found


def _plain(name: Any, one: Any) -> bool:
    """Return whether this is a name with a dense tensor that has all its numbers in memory."""
    return (
        type(name) is str
        and name != "__metadata__"
        and isinstance(one, torch.Tensor)
        and one.layout is torch.strided
        and one.device.type == "cpu"
        and one.dtype in DTYPES
        and one.numel() * one.element_size() <= one.untyped_storage().nbytes()
    )


def _kind(one: Any) -> str:
    return f"of the type {type(one).__name__}"


OPERATIONS: dict[str, Operation] = {"read": _read}
