"""What a child process that reads untrusted data takes from itself before it reads them."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO


def limit_memory(files: Sequence[BinaryIO], beside: int, most: int) -> None:
    """Allow the bytes that this process has by now, `beside`, and the files three times: as they
    lie there, as they are read, and as they are used; `most` altogether.
    """
    import resource

    size = sum(os.fstat(file.fileno()).st_size for file in files)
    with contextlib.suppress(OSError, ValueError):  # where there is no /proc, or no such limit
        own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (min(most, own + beside + 3 * size), most))


def seal() -> None:
    """Let this process open nothing more: no file, no connection and no program's libraries. What
    is open stays so.
    """
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
