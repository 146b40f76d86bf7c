"""Confined child processes: code that parses untrusted data runs in one, within limits, and can be
ended at any time.

A child is started once and kept. Both sides speak frames over a socket,

    length of the header (4 bytes), length of the body (8 bytes), header (JSON), body (raw bytes)

and nothing else, so that neither side can make the other run anything. A request is one frame; open
files are sent with it as descriptors, never as paths. The answer is any number of frames; the last
has `end`, `refused` (a sentence) or `failed` (an unexpected error). Small frames are sent together,
up to one with `now`.

A child imports only what it needs: packages named in `bare` are entered without running their
`__init__`, which may import a lot.
"""

import atexit
import contextlib
import importlib
import json
import logging
import math
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from memlib.quoting import quoted, shortened

MEMORY = 2 * 2**30  # bytes of address space that a child may use
SECONDS = 8  # seconds of computing that one answer may take
WALL = 6  # a child is ended when an answer takes this many times its seconds of wall time
TICK = 1.0  # seconds between two calls of `tick` while an answer is awaited
LONGEST_HEADER = 2**24
PREFIX = struct.Struct("<IQ")
AHEAD = 2**18  # bytes of small frames that are sent together
NICE = 5  # added to a child's: visitors' clicks go before the opening of a file
KEPT, MOST = 2, 8  # children that wait for the next request; children at one time
PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "HOME", "TMPDIR", "LANG")
SINGLE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
START = """
import sys
sys.path.insert(0, sys.argv[1])
import types
for name in sys.argv[4:]:
    package = types.ModuleType(name)
    package.__path__ = [sys.argv[1] + "/" + name.replace(".", "/")]
    sys.modules[name] = package
from memlib.confined import serve
serve(int(sys.argv[2]), sys.argv[3])
"""

Frame = tuple[dict[str, Any], bytearray]
Operation = Callable[[dict[str, Any], bytearray, Sequence[BinaryIO]], Iterator[tuple[dict, Any]]]
Tick = Callable[[], object]

log = logging.getLogger(__name__)


class Ended(Exception):
    """A child ended before it answered; the message is a phrase about its input."""


class Refused(ValueError):
    """A child refused the data; it continues to run."""


class Child:
    """A process that serves the `OPERATIONS` of a module. Raises ValueError if it cannot start."""

    def __init__(self, module: str, bare: Sequence[str]) -> None:
        self._socket, theirs = socket.socketpair()
        self._ahead = bytearray()
        self._deadline = 0.0
        self._tick: Tick | None = None
        with theirs:
            try:
                self.process = subprocess.Popen(
                    [
                        *(sys.executable, "-P", "-c", START, str(Path(__file__).parents[1])),
                        *(str(theirs.fileno()), module, *bare),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    env={name: os.environ[name] for name in PASSED_ON if name in os.environ}
                    | SINGLE,
                    pass_fds=[theirs.fileno()],
                )
            except OSError as error:
                self._socket.close()
                raise ValueError(
                    f"No process could be started to read files in ({error.strerror})."
                ) from error

    def ask(
        self,
        header: Mapping[str, Any],
        body: Sequence[bytes] = (),
        files: Sequence[int] = (),
        *,
        seconds: float = SECONDS,
        largest: int = 2**20,
        tick: Tick | None = None,
    ) -> Iterator[Frame]:
        """Yield the frames of the answer, each of at most `largest` bytes.

        Raises Refused with the child's sentence, Ended if it took more than `seconds` of computing
        for a frame or died, and whatever `tick` raises; after any of these except Refused the child
        must be ended.
        """
        try:
            self._socket.settimeout(None)
            start = _start({**header, "seconds": seconds}, sum(map(len, body)))
            # descriptors travel with the first bytes
            socket.send_fds(self._socket, [start[: PREFIX.size]], list(files))
            self._socket.sendall(b"".join([start[PREFIX.size :], *body]))
        except OSError as error:
            raise Ended(self._reason()) from error
        while True:
            found, data = self._receive(seconds * WALL, largest, tick)
            if "end" in found:
                return
            if "refused" in found:
                raise Refused(shortened(str(found["refused"]), 1000))
            if "failed" in found:
                log.warning("%s failed: %s", header.get("do"), quoted(found["failed"], 1000))
                raise Refused("is damaged")
            yield found, data

    def _receive(self, patience: float, largest: int, tick: Tick | None) -> Frame:
        self._deadline, self._tick = time.monotonic() + patience, tick
        header, body = PREFIX.unpack(self._read(PREFIX.size))
        if header > LONGEST_HEADER or body > largest:
            raise Ended("made the process that read it answer too much")
        try:
            found = json.loads(self._read(header))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Ended("made the process that read it answer nonsense")
        return found, self._read(body)

    def _read(self, size: int) -> bytearray:
        """Read `size` bytes from the child; small frames arrive many at a time."""
        while len(self._ahead) < size <= AHEAD:
            block = bytearray(AHEAD)
            self._ahead += memoryview(block)[: self._more(memoryview(block))]
        data = self._ahead[:size]
        del self._ahead[:size]
        if len(data) < size:
            start = len(data)
            data += bytes(size - start)
            with memoryview(data) as view:
                while start < size:
                    start += self._more(view[start:])
        return data

    def _more(self, into: memoryview) -> int:
        self._socket.settimeout(TICK)
        while True:
            try:
                count = self._socket.recv_into(into)
            except TimeoutError:
                if self._tick:
                    self._tick()
                if time.monotonic() > self._deadline:
                    raise Ended(self._reason()) from None
            except OSError as error:
                raise Ended(self._reason()) from error
            else:
                if count:
                    return count
                raise Ended(self._reason())

    def end(self) -> None:
        """Kill the process."""
        self._socket.close()
        self.process.kill()
        self.process.wait()

    def _reason(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(0.2)
        code = self.process.poll()
        if code is None or -code in (signal.SIGXCPU, signal.SIGKILL):
            return "takes too long to read"
        return f"ended the process that read it (status {code})"


class Children:
    """Children of one kind: a request uses an idle child, or starts one."""

    def __init__(self, module: str, bare: Sequence[str], most: int = MOST) -> None:
        self._kind, self._most = (module, bare), most
        self._waiting: list[Child] = []
        self.forget()
        os.register_at_fork(after_in_child=self.forget)
        atexit.register(self.end)

    def ask(
        self,
        header: Mapping[str, Any],
        body: Sequence[bytes] = (),
        files: Sequence[int] = (),
        *,
        seconds: float = SECONDS,
        largest: int = 2**20,
        tick: Tick | None = None,
    ) -> Iterator[Frame]:
        """Ask a child as `Child.ask` does; end it if its answer was not read to the end."""
        while not self._free.acquire(timeout=TICK):
            if tick:
                tick()
        try:
            child = self._take()
            usable = False
            try:
                yield from child.ask(
                    header, body, files, seconds=seconds, largest=largest, tick=tick
                )
                usable = True
            except Refused:
                usable = True
                raise
            finally:
                self._put(child, usable)
        finally:
            self._free.release()

    def end(self) -> None:
        """End the idle children."""
        with self._lock:
            children, self._waiting = self._waiting, []
        for child in children:
            child.end()

    def forget(self) -> None:
        """Start with no children: after a fork they belong to the other process."""
        self._waiting = []
        self._lock, self._free = threading.Lock(), threading.BoundedSemaphore(self._most)

    def _take(self) -> Child:
        with self._lock:
            while self._waiting:
                child = self._waiting.pop()
                if child.process.poll() is None:
                    return child
                child.end()
        return Child(*self._kind)

    def _put(self, child: Child, usable: bool) -> None:
        with self._lock:
            if usable and len(self._waiting) < KEPT:
                self._waiting.append(child)
                return
        child.end()


def allow(seconds: float) -> None:
    """Let this child process compute `seconds` more before the system ends it."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def serve(descriptor: int, module: str) -> None:
    """Run as a child: answer with the module's OPERATIONS, within its own MEMORY if it has one."""
    import resource

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    kind = importlib.import_module(module)
    for limit, value in (
        (resource.RLIMIT_AS, getattr(kind, "MEMORY", MEMORY)),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        with contextlib.suppress(OSError, ValueError):  # a lower limit is set, or there is none
            resource.setrlimit(limit, (value, value))
    with contextlib.suppress(OSError):
        os.nice(NICE)
    with contextlib.suppress(OSError):  # if memory is short, the system ends this process first
        Path("/proc/self/oom_score_adj").write_text("500")
    with socket.socket(fileno=descriptor) as ours, contextlib.suppress(EOFError, OSError):
        while True:
            header, body, files = _request(ours)
            allow(header["seconds"])
            with contextlib.ExitStack() as opened:
                streams = [opened.enter_context(os.fdopen(file, "rb")) for file in files]
                _answer(ours, kind.OPERATIONS[header["do"]](header, body, streams))


def _answer(ours: socket.socket, answers: Iterator[tuple[dict, Any]]) -> None:
    """Send the frames of an answer, small ones together."""
    ahead = bytearray()
    try:
        for found, data in answers:
            ahead += _start(found, len(data))
            if len(data) < AHEAD:
                ahead += data
            if len(data) >= AHEAD or len(ahead) >= AHEAD or found.get("now"):
                ours.sendall(ahead)
                ahead.clear()
            if len(data) >= AHEAD:
                ours.sendall(data)
        last: dict[str, Any] = {"end": True}
    except ConnectionError:
        raise
    except (OSError, EOFError):
        last = {"refused": "is damaged or cut off"}
    except ValueError as error:
        last = {"refused": str(error)}
    except MemoryError:
        last = {"refused": "needs too much memory to read"}
    except Exception as error:
        last = {"failed": f"{type(error).__name__}: {error}"}
    ours.sendall(ahead + _start(last, 0))


def _request(ours: socket.socket) -> tuple[dict[str, Any], bytearray, list[int]]:
    prefix, files, _, _ = socket.recv_fds(ours, PREFIX.size, 64)
    while prefix and len(prefix) < PREFIX.size:
        prefix += ours.recv(PREFIX.size - len(prefix))
    if not prefix:
        raise EOFError
    parts = [bytearray(size) for size in PREFIX.unpack(prefix)]
    for part in parts:
        view = memoryview(part)
        while view:
            count = ours.recv_into(view)
            if not count:
                raise EOFError
            view = view[count:]
    return json.loads(parts[0]), parts[1], files


def _start(header: Mapping[str, Any], body: int) -> bytes:
    """Return a frame's beginning, for a body of so many bytes."""
    told = json.dumps(header).encode()
    return PREFIX.pack(len(told), body) + told
