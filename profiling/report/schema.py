"""The JSON form of a report, and its check against ``schema.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .document import Report

FORMAT = 1
SCHEMA = json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "null": type(None),
}


def to_json(report: Report) -> dict[str, Any]:
    """What ``report.json`` holds: no pictures, which are files of their own, and no NaN."""
    content = {"format": FORMAT, **asdict(report)}
    for section in content["sections"]:
        for figure in section["figures"]:
            del figure["svg"]
    for check in content["checks"]:
        check["value"] = check["value"] if math.isfinite(check["value"]) else None
    return content


def validate(value: Any, schema: Mapping[str, Any] = SCHEMA, where: str = "report") -> None:
    """Check a value against a JSON schema, of which only the words in ``schema.json`` are known.

    Raises:
        ValueError: names the place, what was expected there and what it holds.
    """
    if "const" in schema and value != schema["const"]:
        raise ValueError(f"{where}: expected {schema['const']!r}, got {value!r}")
    names = schema.get("type", [])
    names = [names] if isinstance(names, str) else names
    if names and not any(_is(value, name) for name in names):
        raise ValueError(f"{where}: expected {' or '.join(names)}, got {value!r:.80}")
    if isinstance(value, dict):
        _validate_object(value, schema, where)
    elif isinstance(value, list):
        low, high = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        if not low <= len(value) <= high:
            raise ValueError(f"{where}: expected {low} to {high} items, got {len(value)}")
        for index, each in enumerate(value):
            validate(each, schema.get("items", {}), f"{where}[{index}]")


def _validate_object(value: dict[str, Any], schema: Mapping[str, Any], where: str) -> None:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    missing = [name for name in schema.get("required", []) if name not in value]
    unknown = [name for name in value if name not in known and others is False]
    if missing or unknown:
        wrong = [f"no {name!r}" for name in missing] + [f"unknown {name!r}" for name in unknown]
        raise ValueError(f"{where}: expected {', '.join(known)}, got {', '.join(wrong)}")
    for name, each in value.items():
        validate(each, known.get(name, others), f"{where}.{name}")


def _is(value: Any, name: str) -> bool:
    """Python's booleans are integers, JSON's are not."""
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))
