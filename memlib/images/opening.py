"""Opening an image set: find its pictures, decode each once for its id, cache large indexes on
disk.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from memlib.bundled import BUNDLED_IMAGES
from memlib.confined import Tick
from memlib.images.archives import MOST_PICTURES
from memlib.images.arrays import Array
from memlib.images.cache import INDEXED, Index, read_index, write_index
from memlib.images.columns import printable
from memlib.images.files import Archive, Folder
from memlib.images.imageset import ImageSet
from memlib.images.pictures import Decoded, Encoded, Kept, Pictures
from memlib.images.tables import HubData, Parquet
from memlib.images.transform import Pixels, Transform, check_count, describe
from memlib.sources import Roots, Source

TITLES = {"demo": "Emoji", "demo-text": "Emoji with captions", "benchmark": "Benchmark"}
REPORT = 64  # pictures between two reports of progress
KINDS: dict[tuple[str, ...], Callable[[Path, Tick | None], Pictures]] = {
    (".zip", ".tar", ".tar.gz", ".tgz"): Archive,
    (".npz", ".npy"): Array,
    (".parquet",): lambda path, tick: Parquet([path], path.name, tick),
}


def load_images(
    source: str | Path | Source,
    size: int | None = None,
    channels: int | None = None,
    limit: int | None = None,
    *,
    fit: str = "crop",
    mirror: bool = False,
    token: str | None = None,
    roots: Roots = None,
    callback: Callable[[int, int], object] | None = None,
) -> ImageSet:
    """Open an image set.

    `source` is a folder (searched recursively), a .zip, .tar, .tar.gz, .npz, .npy or .parquet file,
    a folder of .parquet files, a data set of the Hugging Face Hub ("owner/name:split",
    "owner/name/config@revision:split", downloaded), "demo", "demo-text" or "benchmark". A
    `metadata.csv` with a column `file_name` beside the pictures becomes `ImageSet.metadata`, as do
    a table's other columns.

    `size` resizes the shorter side and crops the centre to size x size; without it all pictures
    must have one size. `fit` "stretch" resizes both sides instead, "centre" only crops the centre;
    `mirror` flips left to right. `channels` is 1 (grey) or 3 (colour), by default what the first
    picture has; transparency is laid on white, 16-bit pictures are scaled to 8. `limit` keeps the
    first pictures only. Of an .npz the array `images` is taken, else the only one of pictures, or
    the one that is named: "file.npz:array". Arrays are uint8 (N, H, W, 3) or (N, H, W), or float
    (N, C, H, W) in [-1, 1].

    With `roots`, no file outside these folders is read, links included.

    Every picture is decoded once, for its id; of large sets the result is kept on disk.
    `callback(done, total)` counts pictures; an exception it raises stops the work, and finished
    work is kept. Files that are not usable pictures are left out and listed in `skipped`. Raises
    ValueError if none is usable.
    """
    transform = Transform(size, channels, fit, mirror)
    if limit is not None:
        check_count(limit, MOST_PICTURES, "The limit")
    # listing a source reports progress too, so that it can be stopped
    tick = (lambda: callback(0, 1)) if callback else None
    source = Source.of(source, roots)
    pictures, name = _open(source, token, tick)
    index = _index(pictures, transform, limit, name, callback)
    return _assemble(
        pictures,
        index,
        transform,
        TITLES.get(source.typed, name),
        getattr(pictures, "source", source.typed),
    )


def of_pixels(name: str, pixels: np.ndarray) -> ImageSet:
    """Make an image set of an array in memory, uint8 (N, H, W, C)."""
    pictures = _Pixels(pixels)
    return _assemble(
        pictures, _index(pictures, Transform(), None, name, None), Transform(), name, name
    )


class _Pixels(Decoded):
    """Pictures of an array in memory."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.names = [f"{place:06d}" for place in range(len(pixels))]
        self.metadata: dict[str, list[str]] = {}
        self.stamp = ""  # never cached on disk
        self._pixels = pixels

    def picture(self, place: int) -> Pixels:
        return np.ascontiguousarray(self._pixels[place].transpose(2, 0, 1))


def _assemble(
    pictures: Pictures, index: Index, transform: Transform, name: str, source: str
) -> ImageSet:
    assert index.shape is not None  # there is at least one picture
    places = index.places
    reader = Kept(pictures) if isinstance(pictures, Encoded) else pictures
    return ImageSet(
        name=printable(name),
        names=[pictures.names[place] for place in places],
        ids=index.ids,
        shape=index.shape,
        skipped=[(pictures.names[place], reason) for place, reason in index.skipped],
        metadata={
            column: [values[place] for place in places]
            for column, values in pictures.metadata.items()
        },
        transform=transform.with_channels(index.shape[0]),
        source=source,
        _read=lambda chosen, own: reader.read([places[place] for place in chosen], own),
    )


def _open(source: Source, token: str | None, tick: Tick | None) -> tuple[Pictures, str]:
    path = BUNDLED_IMAGES.get(source.typed, source.path)
    if path is not None and path.is_dir():
        found = source.listed(path, ".parquet") or source.listed(path / "data", ".parquet")
        tables = [source.file(table) for table in found]
        return (Parquet(tables, path.name, tick) if tables else Folder(path, tick)), path.name
    if path is None or not path.is_file():
        return HubData(source.typed, token), source.typed
    if source.array:
        return Array(path, tick, source.array), f"{path.name}:{source.array}"
    for endings, opened in KINDS.items():
        if path.name.lower().endswith(endings):
            return opened(path, tick), path.name
    raise ValueError(
        f"{printable(path.name)!r} is not an image set; one is a folder, a .zip, .tar, .tar.gz, "
        ".npz, .npy or .parquet file."
    )


def _index(
    pictures: Pictures,
    transform: Transform,
    limit: int | None,
    name: str,
    callback: Callable[[int, int], object] | None,
) -> Index:
    """Decode every picture once for its id, without keeping the pixels; continue where an earlier
    visit stopped.
    """
    total = len(pictures.names)
    key = f"{pictures.stamp} {transform} {limit}" if total > INDEXED and pictures.stamp else None
    index = read_index(key) if key else Index()
    started = index.done
    tick = (lambda: callback(index.done, total)) if callback else None
    try:
        while index.done < total and (limit is None or len(index.places) < limit):
            _add(index, pictures, transform, limit, tick)
            if callback and index.done % REPORT == 0:
                callback(index.done, total)
    finally:
        if key and index.done > started:
            write_index(key, index)
    if not index.places:
        place, reason = index.skipped[0]
        raise ValueError(
            f"There is no usable picture in {printable(name)!r}. The first of "
            f"{len(index.skipped)}: {pictures.names[place]!r} {reason}."
        )
    return index


def _add(
    index: Index,
    pictures: Pictures,
    transform: Transform,
    limit: int | None,
    tick: Tick | None,
) -> None:
    """Add the pictures up to the next report; the first usable one separately, since it sets the
    number of channels of the others.
    """
    count = 1 if index.channels is None else REPORT - index.done % REPORT
    if limit is not None:
        count = min(count, limit - len(index.places))
    places = range(index.done, min(index.done + count, len(pictures.names)))
    own = transform if index.channels is None else transform.with_channels(index.channels)
    for place, pixels in zip(places, pictures.read(places, own, tick), strict=True):
        if isinstance(pixels, ValueError):
            index.skipped.append((place, str(pixels)))
            index.done += 1
            continue
        if index.shape is None:
            index.channels = pixels.shape[0]
            index.shape = (pixels.shape[0], pixels.shape[1], pixels.shape[2])
        elif pixels.shape != index.shape:
            raise ValueError(
                f"The pictures differ in size: {pictures.names[place]!r} is "
                f"{describe(pixels.shape)}, the first picture is {describe(index.shape)}. Choose "
                "a size to resize them to."
            )
        index.places.append(place)
        index.ids.append(own.identify(pixels))
        index.done += 1
