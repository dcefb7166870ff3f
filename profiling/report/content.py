"""What every report says, in no markup: where its numbers come from, and all of them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from .parts import Check, Data, Measurement, Section, Table

if TYPE_CHECKING:
    from .document import Report


def verdict(report: Report) -> str:
    """What the checks found, in a line."""
    failed = [check for check in report.checks if not check.passed]
    if failed:
        return (
            f"{len(failed)} of {len(report.checks)} checks FAILED: as long as this is so, the "
            "numbers below say nothing"
        )
    if not report.checks:
        return "Nothing was checked"
    return (
        "The check passed" if len(report.checks) == 1 else f"All {len(report.checks)} checks passed"
    )


def checked(check: Check) -> str:
    """A check in words."""
    unit = f" {check.unit}" if check.unit else ""
    return f"{check.what}: {check.value:.2g}{unit}, at most {check.limit:.2g}{unit}"


def facts(report: Report) -> dict[str, str]:
    """Date, command, data, machine and settings, in words."""
    return {
        "Date": report.date,
        "Command": f"`{report.command}`",
        **{f"Data, {role}": _data(each) for role, each in report.data.items()},
        "Machine": _machine(report.machine),
        **({"Settings": _settings(report.settings)} if report.settings else {}),
    }


def sections(report: Report) -> dict[str, Section]:
    """The sections by their anchors, and one of all measurements."""
    found: dict[str, Section] = {}
    own = [measured(report.measurements)] if report.measurements else []
    for section in [*report.sections, *own]:
        anchor = name = re.sub(r"\W+", "-", section.heading.lower()).strip("-")
        number = 1
        while anchor in found:
            number += 1
            anchor = f"{name}-{number}"
        found[anchor] = section
    return found


def measured(measurements: list[Measurement]) -> Section:
    """All measurements as a table."""
    rows = []
    for each in measurements:
        numbers = [f"{number:.4g}" for number in (each.median, *each.quartiles)]
        rows.append([each.key, *numbers, each.unit, str(len(each.samples))])
    header = ["", "median", "lower quartile", "upper quartile", "unit", "samples"]
    return Section("All measurements", tables=[Table(header, rows)])


def _data(data: Data) -> str:
    low, high = data.atoms
    atoms = f"{low}" if low == high else f"{low} to {high}"
    remark = f" {data.remark}" if data.remark else ""
    return f"{data.frames} frames of {atoms} atoms of {data.file}, sha256 {data.sha256}.{remark}"


def _machine(machine: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, "
        f"{machine['system']}; Python {machine['python']}, {packages}"
    )


def _settings(settings: dict[str, Any]) -> str:
    return "; ".join(f"{name}: {_plain(value)}" for name, value in settings.items())


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
