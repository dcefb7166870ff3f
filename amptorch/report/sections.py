"""What a report says in words and tables, in order and in no markup."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .remarks import r2_text
from .units import QUANTITIES, TABULATED, Quantity, number
from .words import Report, cost, machine, model, verdict

MOST = 100  # rows of a table by name; the others stand in report.json


@dataclass
class Table:
    """Rows of text under a header."""

    header: list[str]
    rows: list[list[str]]


@dataclass
class Section:
    """A heading (none for the first section), text, tables and names of image files."""

    heading: str = ""
    text: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    images: list[str] = field(default_factory=list)


def sections(report: Report, images: Sequence[str]) -> list[Section]:
    """The sections of a report, see ``amptorch.report.write_report``."""
    found = [
        Section("", [verdict(report), model(report)], verdict_tables(report)),
        Section("Warnings", [f"* {each}" for each in report["warnings"]]),
        Section("Figures", images=list(images)),
        *tables_of_parts(report),
        *(worst(kind, each) for kind, each in report["worst"].items()),
        Section("Frames and cost", [cost(report)], [sets(report), checksums(report)]),
        chosen(report["model"]["chosen_from_data"]),
        Section("Settings", tables=[settings(report)]),
        Section("Machine", [machine(report["machine"])]),
    ]
    for section in found:
        section.tables = [table for table in section.tables if table.rows]
        section.text = [text for text in section.text if text]
    return [each for each in found if each.text or each.tables or each.images]


def verdict_tables(report: Report) -> list[Table]:
    """The errors of each quantity in each unit: a row a set."""
    tables = []
    for quantity in TABULATED:
        name = f"{quantity.plural} ({quantity.unit})"
        header = [name, "RMSE", "MAE", "largest", "R²", "values"]
        rows = [
            [kind, *_row(quantity, own)]
            for kind, errors in report["errors"].items()
            if quantity.name in errors
            for own in [errors[quantity.name]]
        ]
        tables.append(Table(header, rows))
    return [table for table in tables if table.rows]


def _row(quantity: Quantity, own: Mapping[str, Any]) -> list[str]:
    errors = [quantity.text(own[key]) for key in ("rmse", "mae", "max")]
    return [*errors, r2_text(own), str(own["values"])]


def errors_table(errors: Mapping[str, Mapping[str, Mapping[str, Any]]], label: str = "") -> Table:
    """RMSE, MAE and R² by row and quantity."""
    found = [each for each in QUANTITIES if any(each.name in row for row in errors.values())]
    header = [label]
    for quantity in found:
        header += [f"{quantity.short} {what} ({quantity.unit})" for what in ("RMSE", "MAE")]
        header.append(f"{quantity.short} R²")
    rows = [
        [kind, *(cell for quantity in found for cell in _cells(quantity, each))]
        for kind, each in errors.items()
    ]
    return Table(header, rows)


def _cells(quantity: Quantity, errors: Mapping[str, Mapping[str, Any]]) -> list[str]:
    own = errors.get(quantity.name)
    if own is None:
        return ["", "", ""]
    return [quantity.text(own["rmse"]), quantity.text(own["mae"]), r2_text(own)]


def tables_of_parts(report: Report) -> list[Section]:
    """Errors by element, group and size."""

    def of_forces(each: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"forces": each}

    return [
        Section("Forces by element", tables=[_named(report["forces_by_element"], of_forces)]),
        Section("Groups", tables=[_named(report["by_group"], dict)]),
        Section("Number of atoms", tables=[_named(report["by_size"], dict)]),
    ]


def _named(
    parts: Mapping[str, Mapping[str, Any]], errors_of: Callable[[Any], Mapping[str, Any]]
) -> Table:
    """A table whose rows are the entries of each part."""
    rows = {
        f"{name}, {kind}" if name else f"(none), {kind}": errors_of(each)
        for kind, entries in parts.items()
        for name, each in entries.items()
    }
    table = errors_table(dict(list(rows.items())[:MOST]))
    if len(rows) > MOST:
        rest = [f"{len(rows) - MOST} more, see report.json"]
        table.rows.append(rest + [""] * (len(table.header) - 1))
    return table


def worst(kind: str, frames: Mapping[str, Sequence[Mapping[str, Any]]]) -> Section:
    """The worst frames of a set by energy and by force."""
    header = [
        "formula",
        "group",
        "energy error (meV/atom)",
        "force RMSE (eV/Å)",
        "largest force error (eV/Å)",
    ]
    tables = [
        Table([f"frame by {what}", *header], [_frame(each) for each in found])
        for what, found in frames.items()
    ]
    return Section(f"Worst frames, {kind}", tables=tables)


def _frame(each: Mapping[str, Any]) -> list[str]:
    forces = ["" if each[n] is None else f"{each[n]:.3f}" for n in ("forces_rmse", "forces_max")]
    energy = f"{1000 * each['energy']:+.1f}"
    return [str(each["frame"]), each["formula"], each["group"], energy, *forces]


def chosen(choice: Mapping[str, Any] | None) -> Section:
    """Symmetry functions that the data decided."""
    if choice is None:
        return Section()
    counts = [[element, str(number)] for element, number in choice["functions"].items()]
    near = [[pair, f"{length:.3f}"] for pair, length in choice["nearest_distances"].items()]
    gone = [[e["element"], e["function"], f"{e['range']:.2g}"] for e in choice["dropped"]]
    return Section(
        "Symmetry functions chosen from the data",
        tables=[
            Table(["element", "functions"], counts),
            Table(["pair", "nearest distance (Å)"], near),
            Table(["element", "dropped function", "range over the data"], gone),
        ],
    )


def settings(report: Report) -> Table:
    """The configuration, a row a key."""
    return Table(
        ["key", "value"],
        [
            [f"{section}: {key}", str(value)]
            for section, values in (report["settings"] or {}).items()
            for key, value in values.items()
        ],
    )


def sets(report: Report) -> Table:
    """Frames of each set, and what predicting an atom of it took."""
    spent = report["cost"]["prediction"]
    rows = []
    for kind, each in report["data"].items():
        low, high = each["atoms"]
        atoms = str(low) if low == high else f"{low}–{high}"
        cost = (
            [number(spent[kind][n], 0) for n in ("fingerprints", "model")] if kind in spent else []
        )
        rows.append([kind, str(each["frames"]), atoms, *(cost or ["", ""])])
    header = ["", "frames", "atoms", "fingerprints (µs/atom)", "model (µs/atom)"]
    return Table(header, rows)


def checksums(report: Report) -> Table:
    """Of the files that the frames come from."""
    return Table(
        ["set", "file", "sha256"],
        [
            [kind, each["file"], each["sha256"]]
            for kind, each in report["data"].items()
            if "file" in each
        ],
    )
