"""Sampled call stacks: from what py-spy writes to counts, and to a speedscope file.

The format is https://www.speedscope.app/file-format-schema.json: frames that profiles refer to by
index, and for each thread a list of stacks, outermost first, with their seconds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# Native code was compiled where the repository lay then.
OWN = re.compile(r".*/((?:amptorch|profiling|tests)/.+)")
PACKAGE = re.compile(r".*/(?:site-packages|python3\.\d+)/(.+)")

Stack = tuple[str, ...]


def relative(file: str) -> str:
    """A file without what is of this machine: relative to the repository, or to where packages are
    installed, or its name alone."""
    if not file.startswith("/"):
        return file
    if Path(file).is_relative_to(ROOT):
        return Path(file).relative_to(ROOT).as_posix()
    found = PACKAGE.fullmatch(file) or OWN.fullmatch(file)
    return found.group(1) if found else Path(file).name


def without_arguments(name: str) -> str:
    """A function of C++ without the types of its arguments."""
    kept, depth = "", 0
    for letter in name:
        named = kept.endswith("operator()") or (
            bool(re.search(r"[\w>]$", kept)) and not kept.endswith("operator")
        )
        if letter == "(" and (depth or named):
            depth += 1
        elif letter == ")" and depth:
            depth -= 1
        elif not depth:
            kept += letter
    return kept


def cut(profile: Mapping[str, Any], function: str, file: str) -> dict[str, Any]:
    """The part of a speedscope file below a function, its paths made relative.

    Args:
        profile: content of the file.
        function, file: the outermost frame that is kept; ``file`` is relative. Stacks without it
            are left out.

    Raises:
        ValueError: no stack has it.
    """
    places: dict[tuple[Any, ...], int] = {}
    renumbered, starts = [], []
    for frame in profile["shared"]["frames"]:
        place = relative(frame.get("file") or "?")
        # Without symbols a function is an address, another one in every run.
        name = "?" if frame["name"].startswith("0x") else without_arguments(frame["name"])
        key = (name, place, frame.get("line"))
        renumbered.append(places.setdefault(key, len(places)))
        starts.append(name == function and place == file)
    threads = []
    for thread in profile["profiles"]:
        samples, weights = [], []
        for sample, weight in zip(thread["samples"], thread["weights"], strict=True):
            start = next((i for i, frame in enumerate(sample) if starts[frame]), None)
            if start is not None:
                samples.append([renumbered[frame] for frame in sample[start:]])
                weights.append(weight)
        if samples:
            name = re.sub(r"^Thread \d+ ?", "", thread["name"]).strip('"') or "main"
            threads.append({"name": name, "samples": samples, "weights": weights})
    if not threads:
        raise ValueError(f"samples: expected some in {function} ({file}), got none")
    return _speedscope(list(places), threads)


def _speedscope(frames: list[tuple[Any, ...]], threads: list[dict[str, Any]]) -> dict[str, Any]:
    """A file of the frames that threads refer to."""
    used = sorted({frame for thread in threads for sample in thread["samples"] for frame in sample})
    renumbered = {frame: index for index, frame in enumerate(used)}
    profiles = [
        {
            "type": "sampled",
            "name": thread["name"],
            "unit": "seconds",
            "startValue": 0.0,
            "endValue": sum(thread["weights"]),
            "samples": [[renumbered[frame] for frame in stack] for stack in thread["samples"]],
            "weights": thread["weights"],
        }
        for thread in threads
    ]
    named = [dict(zip(("name", "file", "line"), frames[frame], strict=True)) for frame in used]
    return {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "name": "amptorch",
        "shared": {"frames": named},
        "profiles": profiles,
    }


def collapsed(profile: Mapping[str, Any]) -> Counter[Stack]:
    """How often each stack was seen, its frames written as ``name (file.py:line)``, where line is
    that of the function; lines of C++ are left out, which differ within a function."""
    names = []
    for frame in profile["shared"]["frames"]:
        line = f":{frame['line']}" if frame["file"].endswith(".py") else ""
        names.append(f"{frame['name']} ({frame['file']}{line})")
    return Counter(
        tuple(names[frame] for frame in sample)
        for thread in profile["profiles"]
        for sample in thread["samples"]
    )


def self_and_total(stacks: Mapping[Stack, int]) -> dict[str, tuple[int, int]]:
    """Of every function the samples in it alone, and those in it and what it calls."""
    own, total = Counter[str](), Counter[str]()
    for stack, samples in stacks.items():
        own[stack[-1]] += samples
        for name in set(stack):
            total[name] += samples
    return {name: (own[name], total[name]) for name in total}


def share(stacks: Mapping[Stack, int], below: str, inside: Sequence[str]) -> float:
    """Of the samples below a function, those in functions of some files; 0 without samples.

    Args:
        stacks: of :func:`collapsed`.
        below: what a function's name with its file begins with.
        inside: what names of files begin with.
    """
    all_, there = 0, 0
    for stack, samples in stacks.items():
        start = next((k for k, name in enumerate(stack) if name.startswith(below)), None)
        if start is not None:
            files = [name.rpartition(" (")[2] for name in stack[start:]]
            all_ += samples
            there += samples * any(file.startswith(tuple(inside)) for file in files)
    return there / all_ if all_ else 0.0
