"""Records written to files, and read from them.

A record's file is one JSON object (see `schema`) with a seal, the sha256 of all else in it. A record is refused if it
is not whole, was edited, stands under another name than its own, or was made by another version of a recipe than its
seed's. Records of explored seeds are in records/, those of fresh ones in fresh/. Versions of Python and of packages are
recorded and not compared: what they change lies within the scatter of seeds, as what another machine changes does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from .. import training
from ..errors import RecordError
from ..paths import write_atomically
from ..provenance import SEAL, seal
from . import measurement
from .items import Item
from .schema import SCHEMA, Record, decode, encode

FOLDERS = ("records", "fresh")  # within the results, of the records of explored and of fresh seeds


def recipes(item: Item) -> dict[str, int]:
    """The versions of the recipes that decide the numbers of an item's record."""
    return {"training": training.RECIPE, "measuring": measurement.RECIPE if item.fresh else measurement.EXPLORED}


def folder(results: Path, item: Item) -> Path:
    """Where among the results the item's record lies."""
    return results / FOLDERS[item.fresh]


def remedy(path: Path) -> str:
    """What makes a record, or one in its place, again."""
    return f"`make seeds{' FRESH=yes' if path.parent.name == FOLDERS[True] else ''}` makes it again"


def write(path: Path, record: Record) -> None:
    """Write a record to its file. Raises RecordError, naming the field, for a number that must be finite and is not."""
    write_atomically(path, to_json(record))


def to_json(record: Record) -> bytes:
    """The content of a record's file. Raises RecordError as `write` does."""
    document = encode(record)
    try:
        decode(Record, document)
    except ValueError as error:
        raise RecordError(f"{record.item} cannot be recorded: {error}") from error
    document[SEAL] = seal(document)
    return f"{json.dumps(document, allow_nan=False)}\n".encode()


def load_all(results: Path) -> list[Record]:
    """The records of explored and of fresh seeds among the results, as `load` has those of one folder."""
    return [record for name in FOLDERS for record in load(results / name)]


def load(folder: Path) -> list[Record]:
    """All records in a folder, in the order of their names; none if there is no folder. Raises RecordError as `read`
    does."""
    return [read(path) for path in sorted(folder.glob("*.json"))]


def read(path: Path) -> Record:
    """The record in a file.

    Raises RecordError, naming the file and, where there is one, the field: for a file that cannot be read or is not a
    whole record, for one that was edited, for the record of another item than the name says, and for one of another
    schema or of other recipes. FileNotFoundError if there is no file.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise
    except IsADirectoryError as error:
        raise RecordError(f"{path} is a folder, where records are files: remove it") from error
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} cannot be read ({error}): {remedy(path)}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise RecordError(f"{path} is not a record of schema {SCHEMA}: {remedy(path)}")
    sealed = document.pop(SEAL, None)
    try:
        record = decode(Record, document)
        _check(record)
    except ValueError as error:
        raise RecordError(f"{path} is not a whole record: {error}. {remedy(path)}") from error
    if sealed != seal(document):
        changed = f"{path} was changed after it was measured: its content does not match its {SEAL}"
        raise RecordError(f"{changed}. {remedy(path)}")
    if path.name != f"{record.name}.json":
        raise RecordError(f"{path} holds the record {record.name}: remove it, or give it its name back")
    if record.recipes != (now := recipes(record.item)):
        made = f"{path} was made by the recipes {record.recipes}, which for its seed are {now}"
        raise RecordError(f"{made}: {remedy(path)}")
    return record


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is no number")


def _check(record: Record) -> None:
    """Raise ValueError, naming the field, for an unknown model or profile, a block that is there and must not be or is
    not there and must be, and lists of unequal lengths."""
    gan, numbers = record.item.spec.family == "gan", record.numbers
    second = record.recipes.get("measuring") == measurement.RECIPE
    wanted = {"renewed": not gan, "held_out": not gan, "coverage": gan, "pairs": record.whole,
              "neighbours": record.whole, "fresh": second}  # fmt: skip
    if numbers.pairs is not None:
        wanted |= {f"pairs.methods.{name}.polished": second for name in numbers.pairs.methods}
        wanted |= {f"pairs.{curve}.features": second for curve in ("straight", "geodesic")}
    for name, needed in wanted.items():
        if (_at(numbers, name) is None) == needed:
            raise ValueError(f"numbers.{name} is {'null' if needed else 'there'}, for {record.item}")
    if numbers.fresh is not None and len(numbers.fresh.late.roughness) != len(numbers.fresh.late.log_cond_95):
        raise ValueError("numbers.fresh.late has not one log_cond_95 for each roughness")
    bins = len(numbers.away.edges) - 1
    for name, values in _lists(numbers.away, "numbers.away"):
        if len(values) != bins and name != "numbers.away.edges":
            raise ValueError(f"{name} has {len(values)} values, for {bins} bins")
    if numbers.pairs is not None:
        for name, values in _lists(numbers.pairs, "numbers.pairs"):
            if len(values) != (pairs := len(numbers.pairs.latent_distance)):
                raise ValueError(f"{name} has {len(values)} values, for {pairs} pairs")


def _at(value: Any, path: str) -> Any:
    """What stands at a path, names of fields or keys, in a part of a record."""
    for name in path.split("."):
        value = value[name] if isinstance(value, dict) else getattr(value, name)
    return value


def _lists(value: Any, where: str) -> Iterator[tuple[str, list]]:
    """The lists in a part of a record, by their places."""
    if value is None:
        return
    if isinstance(value, list):
        yield where, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _lists(item, f"{where}.{key}")
    else:
        for field in fields(value):
            yield from _lists(getattr(value, field.name), f"{where}.{field.name}")


def mixed_versions(records: list[Record]) -> dict[str, list[str]]:
    """The versions in which records differ: of Python or a package, all that occur."""
    names = sorted({name for r in records for name in r.provenance.versions})
    found = {name: sorted({r.provenance.versions.get(name, "none") for r in records}) for name in names}
    return {name: versions for name, versions in found.items() if len(versions) > 1}
