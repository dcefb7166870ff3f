"""What a report shows, in order: headings with text, tables and plots, in no markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


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


_COLUMNS = {
    "energy": ("energy", "meV/atom", 1000.0, 1),
    "forces": ("force", "eV/Å", 1.0, 3),
    "stress": ("stress", "meV/Å³", 1000.0, 2),
}


def sections(report: Mapping[str, Any], images: Sequence[str]) -> list[Section]:
    """The sections of a report, see ``amptorch.report.write_report``."""
    curve = [name for name in images if name == "learning_curve.png"]
    found = [
        Section("", [_data(report), _training(report)], [errors_table(report["errors"])]),
        Section(
            "Extrapolation",
            [f"{kind}: {text}." for kind, text in report["extrapolation"].items() if text],
        ),
        Section("Learning curve", images=curve),
        Section("Predicted against reference", images=[n for n in images if n not in curve]),
        Section(
            "Forces by element",
            tables=[_named(report["forces_by_element"], lambda each: {"forces": each})],
        ),
        Section("Groups", tables=[_named(report["by_group"], lambda each: each)]),
        *(_worst(kind, each) for kind, each in report["worst"].items()),
        _chosen(report["model"]["chosen_from_data"]),
        Section("Machine", [_machine(report["machine"])]),
    ]
    for section in found:
        section.tables = [table for table in section.tables if table.rows]
    return [each for each in found if each.text or each.tables or each.images]


def errors_table(errors: Mapping[str, Mapping[str, Mapping[str, Any]]], label: str = "") -> Table:
    """RMSE, MAE and R² by row and quantity."""
    quantities = [name for name in _COLUMNS if any(name in each for each in errors.values())]
    header, rows = [label], []
    for name in quantities:
        what, unit, _, _ = _COLUMNS[name]
        header += [f"{what} RMSE ({unit})", f"{what} MAE ({unit})", f"{what} R²"]
    for kind, each in errors.items():
        cells = [_cells(name, each.get(name)) for name in quantities]
        rows.append([kind, *(cell for three in cells for cell in three)])
    return Table(header, rows)


def _cells(quantity: str, errors: Mapping[str, Any] | None) -> list[str]:
    if errors is None:
        return ["", "", ""]
    _, _, factor, digits = _COLUMNS[quantity]
    r2 = "" if errors["r2"] is None else f"{errors['r2']:.4f}"
    return [f"{factor * errors[kind]:.{digits}f}" for kind in ("rmse", "mae")] + [r2]


def _named(parts: Mapping[str, Mapping[str, Any]], errors_of: Any) -> Table:
    """A table whose rows are the entries of each part."""
    rows = {
        f"{name}, {kind}" if name else f"(none), {kind}": errors_of(each)
        for kind, entries in parts.items()
        for name, each in entries.items()
    }
    return errors_table(rows)


def _worst(kind: str, worst: Mapping[str, Sequence[Mapping[str, Any]]]) -> Section:
    header = [
        "frame",
        "formula",
        "group",
        "energy error (meV/atom)",
        "force RMSE (eV/Å)",
        "largest force error (eV/Å)",
    ]
    tables = [
        Table([f"{header[0]} by {what}", *header[1:]], [_frame(each) for each in frames])
        for what, frames in worst.items()
    ]
    return Section(f"Worst frames, {kind}", tables=tables)


def _frame(each: Mapping[str, Any]) -> list[str]:
    forces = ["" if each[n] is None else f"{each[n]:.3f}" for n in ("forces_rmse", "forces_max")]
    energy = f"{1000 * each['energy']:+.1f}"
    return [str(each["frame"]), each["formula"], each["group"], energy, *forces]


def _data(report: Mapping[str, Any]) -> str:
    parts = []
    for kind, data in report["data"].items():
        low, high = data["atoms"]
        atoms = f"{low}" if low == high else f"{low} to {high}"
        source = f" of {data['file']} (sha256 {data['sha256'][:16]}…)" if "file" in data else ""
        parts.append(f"{kind}: {data['frames']} frames of {atoms} atoms{source}")
    return "; ".join(parts) + "."


def _training(report: Mapping[str, Any]) -> str:
    model, training = report["model"], report["training"]
    text = (
        f"{model['descriptor']}, {model['features']} features, cutoff {model['cutoff']:g} Å, "
        f"{model['parameters']} parameters, {model['dtype']}"
    )
    seconds = training["seconds"]
    if training["epochs"]:
        text += f"; {training['epochs']} epochs"
    if training["best_epoch"] is not None:
        text += f", the best is {training['best_epoch']}"
    if seconds["data set and training"] is not None:
        text += f"; data set and training {seconds['data set and training']:.0f} s"
    if seconds["an epoch"] is not None:
        text += f", an epoch {seconds['an epoch']:.2f} s"
    return text + "."


def _chosen(choice: Mapping[str, Any] | None) -> Section:
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


def _machine(machine: Mapping[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, "
        f"Python {machine['python']}, {packages}."
    )
