"""The smoke runs of ``make check``: every command has one, and they notice what fails."""

from __future__ import annotations

from types import ModuleType

import pytest

from profiling import diff, smoke
from profiling.__main__ import COMMANDS
from profiling.report import Report


@pytest.mark.parametrize("command", COMMANDS, ids=smoke.name_of)
def test_every_command_has_a_smoke_run(command, tmp_path):
    name, *arguments = smoke.arguments_of(command, tmp_path)
    assert name == smoke.name_of(command)
    assert str(tmp_path / name) in arguments


def stand_in(name: str, monkeypatch: pytest.MonkeyPatch, run, **attributes) -> ModuleType:
    module = ModuleType(f"profiling.{name}")

    def add_command(commands):
        parser = commands.add_parser(name)
        parser.add_argument("--out")
        parser.set_defaults(run=run)

    vars(module).update(add_command=add_command, **attributes)
    monkeypatch.setattr("profiling.__main__.COMMANDS", (module,))
    return module


def test_a_command_without_a_smoke_run(monkeypatch, tmp_path):
    module = stand_in("new", monkeypatch, print)
    with pytest.raises(TypeError, match=r"profiling/new\.py: expected SMOKE"):
        smoke.run_command(module, tmp_path)


def test_a_command_that_writes_nothing(monkeypatch, tmp_path):
    module = stand_in("new", monkeypatch, lambda arguments: None, SMOKE=["--out", "{out}"])
    with pytest.raises(
        AssertionError, match=r"new wrote no report\.json, report\.md, report\.html"
    ):
        smoke.run_command(module, tmp_path)


def test_a_command_that_fails(monkeypatch, tmp_path):
    def run(arguments):
        raise SystemExit(3)

    module = stand_in("new", monkeypatch, run, SMOKE=["--out", "{out}"])
    with pytest.raises(AssertionError, match="exit status 3"):
        smoke.run_command(module, tmp_path)


def test_a_command_that_lacks_something(monkeypatch, tmp_path, capsys):
    module = stand_in("new", monkeypatch, None, SMOKE=[], missing=lambda: "no accelerator")
    monkeypatch.setattr(smoke, "EXAMPLES", tmp_path)
    smoke.main([module])
    assert capsys.readouterr().out == "new: not run: no accelerator\n"


def test_a_run_that_works(tmp_path):
    smoke.prepare(tmp_path)
    smoke.run_command(diff, tmp_path)
    assert Report.read(tmp_path / "diff").name == "diff"
