"""Answers as a table that data tools read, in Parquet's form: a row for each thing that a picture shows.

A file has all of COLUMNS, whatever the task and whatever was found, so the files of several machines, models and runs
are one table. Rows are written in groups as they come: memory holds one group, however many pictures there are.
pyarrow (the extra `parquet`) writes them. https://parquet.apache.org/docs/file-format/
"""
from __future__ import annotations

from contextlib import contextmanager

from ...errors import InputError
from ...paths import replacing

# column -> its type, a key of `kinds`. The first ones are of the picture, the same in all of its rows
OF_PICTURE = {"image": "string", "error": "string", "task": "string", "width": "int32", "height": "int32",
              "ms": "double"}
COLUMNS = OF_PICTURE | {
    "rank": "int32", "label": "string", "class_id": "int64", "confidence": "float",
    "x_min": "double", "y_min": "double", "x_max": "double", "y_max": "double",
    "polygon": "points", "angle": "float", "points": "points", "rle": "rle", "text": "string", "embedding": "floats",
    "share": "float", "min": "double", "max": "double", "mean": "double",
    "output": "string", "shape": "sizes", "dtype": "string", "values": "doubles"}
CALLED = {"index": "class_id", "score": "confidence", "quad": "polygon", "name": "output"}      # keys of docs/json.md
BOX = "x_min", "y_min", "x_max", "y_max"
OF_MAP = "share", "min", "max", "mean"

MOST_DICTS = 256                    # rows that wait as Python's objects, of which a mask may have thousands
MOST_ROWS, MOST_BYTES = 1 << 16, 32 << 20           # of a group; either ends it


def rows_of(record: dict) -> list[dict]:
    """The rows of a picture, column -> value; a column that is not in one is null there.

    record : what `cinfer run --json` says of a picture (docs/json.md). One of which nothing was found, or that could
        not be read, has one row
    """
    of_map = record.get("map", {})
    shared = {key: record[key] for key in (*OF_PICTURE, "embedding") if key in record}
    shared |= {key: of_map[key] for key in OF_MAP if key in of_map}
    found = [each for key in ("objects", "classes", "text", "outputs") for each in record.get(key, ())]
    found += of_map.get("classes", ())
    return [spelled(shared | row_of(each) | {"rank": rank}) for rank, each in enumerate(found, 1)] or [spelled(shared)]


def row_of(thing: dict) -> dict:
    row = {CALLED.get(key, key): value for key, value in thing.items() if key != "box"}
    return row | dict(zip(BOX, thing.get("box", ())))


def spelled(row: dict) -> dict:
    """Names of files may hold bytes that are no UTF-8, as texts of a table have to be."""
    return {key: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
            for key, value in row.items()}


def pyarrow():
    """The modules pyarrow and pyarrow.parquet. InputError where they are not there."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        why = "which is not installed" if isinstance(error, ModuleNotFoundError) else f"which does not load: {error}"
        raise InputError(f"Parquet is written by pyarrow, {why}; pip install 'cinfer[parquet]'") from None
    return pyarrow, parquet


def schema():
    """pyarrow.Schema of COLUMNS; all but the picture's name may be null."""
    arrow, _ = pyarrow()
    kinds = {"string": arrow.string(), "int32": arrow.int32(), "int64": arrow.int64(), "float": arrow.float32(),
             "double": arrow.float64(), "floats": arrow.list_(arrow.float32()), "doubles": arrow.list_(arrow.float64()),
             "sizes": arrow.list_(arrow.int64()), "points": arrow.list_(arrow.list_(arrow.float32())),
             "rle": arrow.struct({"size": arrow.list_(arrow.int32()), "counts": arrow.list_(arrow.int32())})}
    return arrow.schema([arrow.field(name, kinds[kind], name != "image") for name, kind in COLUMNS.items()])


class Rows:
    """The rows of a file. A context: what is left is written where it ends well; else the file is no Parquet.

    file : binary, open for writing
    count : rows so far
    """

    def __init__(self, file):
        self._arrow, parquet = pyarrow()
        self._schema = schema()
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._dicts: list[dict] = []
        self._batches: list = []
        self._rows = self._bytes = self.count = 0

    def write(self, record: dict) -> None:
        """record : as of `rows_of`"""
        rows = rows_of(record)
        self._dicts += rows
        self.count += len(rows)
        if len(self._dicts) >= MOST_DICTS:
            self._pack()
        if self._rows >= MOST_ROWS or self._bytes >= MOST_BYTES:
            self._flush()

    def _pack(self) -> None:
        batch = self._arrow.RecordBatch.from_pylist(self._dicts, self._schema)
        self._dicts = []
        self._batches.append(batch)
        self._rows, self._bytes = self._rows + batch.num_rows, self._bytes + batch.nbytes

    def _flush(self) -> None:
        self._writer.write_table(self._arrow.Table.from_batches(self._batches, self._schema))
        self._batches, self._rows, self._bytes = [], 0, 0

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, kind, *_) -> None:
        try:
            if kind is None:
                if self._dicts:
                    self._pack()
                if self._batches:
                    self._flush()
                self._writer.close()
        finally:
            self._writer.is_open = False        # else it would write the end of a file when it is forgotten


@contextmanager
def to_parquet(path):
    """A table of answers in a file, which is there, whole, once the block ends well, and not there otherwise.

        with cinfer.vision.to_parquet("answers.parquet") as table:
            table.write(answer.record())

    path : where the file goes. `write` takes what `answer.record()` gives, or a line of `cinfer run --json` says, that
    of an error too: {"image": name, "error": why}. docs/json.md has the columns

    Raises
    ------
    InputError : pyarrow is not installed
    OSError : as of `open`, and where the disk is full
    """
    pyarrow()
    with replacing(path) as file, Rows(file) as rows:
        yield rows
