"""What is committed: no address of a mirror, no path of one machine, and documents that agree with the files."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = sorted((ROOT / "constraints").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# Written in pieces, so that this file does not find itself.
REGISTRIES = ["pypi" + ".org", "pythonhosted" + ".org", "registry.npm" + "js.org", "deb." + "debian.org"]
MACHINE_PATHS = re.compile(
    "(?<![\\w./~-])/(?:" + "|".join(["ro" + "ot", "wo" + "rk", "ho" + "me", "Us" + "ers"]) + r")/\w"
)


def committed() -> list[Path]:
    """Every text file git holds, or that it would take: tracked and not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.fail(f"this test reads the list of committed files from git: {done.stderr.decode()}")
    paths = (ROOT / name.decode() for name in done.stdout.split(b"\0") if name)
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:8192]]


def test_no_committed_file_names_a_registry_or_a_path_of_one_machine() -> None:
    found = []
    for path in committed():
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {host}" for host in REGISTRIES if host in text]
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in MACHINE_PATHS.finditer(text)]
    assert found == []


@pytest.mark.parametrize("text", ["see /ro" + "ot/x", '"/ho' + 'me/me"', "file:///wo" + "rk/a"])
def test_the_path_pattern_finds_what_it_is_for(text: str) -> None:
    assert MACHINE_PATHS.search(text.replace("file://", " "))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: str(path.name))
def test_a_lock_has_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert not re.search(r"://|--(?:extra-)?index-url|--find-links|--trusted-host| @ ", text)
    pins = re.split(r"\n(?=\S)", text.strip())
    assert pins
    assert [pin.split()[0] for pin in pins if "==" not in pin.split()[0] or "--hash=sha256:" not in pin] == []


def test_a_pin_has_the_same_hashes_in_every_lock() -> None:
    """A lock that lists the one wheel of the machine that wrote it installs on no other Python or platform."""
    every: dict[str, set[str]] = {}
    for lock in LOCKS:
        for pin in re.split(r"\n(?=\S)", lock.read_text().strip()):
            every.setdefault(pin.split()[0], set()).add(" ".join(sorted(re.findall(r"--hash=(\S+)", pin))))
    assert [pin for pin, hashes in every.items() if len(hashes) > 1] == []


def pins(lock: str) -> dict[str, list[Requirement]]:
    """The pins of a lock by canonical name; one name has several where Python versions differ."""
    found: dict[str, list[Requirement]] = {}
    for line in (ROOT / "constraints" / lock).read_text().splitlines():
        if line and not line[0].isspace():
            pin = Requirement(line.rstrip(" \\"))
            found.setdefault(canonicalize_name(pin.name), []).append(pin)
    return found


@pytest.mark.parametrize(("lock", "extras"), [("dev.txt", ["lab", "dev"]), ("bench.txt", ["lab", "dev", "bench"])])
def test_a_lock_satisfies_pyproject_on_every_python(lock: str, extras: list[str]) -> None:
    wanted = PROJECT["dependencies"] + [item for extra in extras for item in PROJECT["optional-dependencies"][extra]]
    have = pins(lock)
    for requirement in map(Requirement, wanted):
        for python in ("3.11", "3.12", "3.13"):
            environment = {"python_version": python, "python_full_version": f"{python}.7"}
            chosen = [
                pin
                for pin in have.get(canonicalize_name(requirement.name), [])
                if pin.marker is None or pin.marker.evaluate(environment)
            ]
            assert len(chosen) == 1, f"{requirement} on {python}: run `make lock`"
            version = str(chosen[0].specifier).removeprefix("==")
            assert requirement.specifier.contains(version), f"{requirement}: run `make lock`"


@pytest.mark.parametrize("group", ["docs", "napari"])
def test_a_lock_of_a_group_holds_it_and_changes_no_version(group: str) -> None:
    """A group of a command of its own stands in one environment with, or has the versions of, what is tested."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    have, bench = pins(f"{group}.txt"), pins("bench.txt")
    for requirement in map(Requirement, groups[group]):
        found = have.get(canonicalize_name(requirement.name), [])
        assert found, f"{requirement}: run `make lock`"
        versions = [str(pin.specifier).removeprefix("==") for pin in found]
        assert all(map(requirement.specifier.contains, versions)), f"{requirement}: run `make lock`"
    versions_of = {name: {str(pin.specifier) for pin in found} for name, found in have.items()}
    others = {
        name: versions - {str(pin.specifier) for pin in bench[name]}
        for name, versions in versions_of.items()
        if name in bench
    }
    assert {name: versions for name, versions in others.items() if versions} == {}


def test_bench_lock_changes_no_version_of_the_dev_lock() -> None:
    dev, bench = pins("dev.txt"), pins("bench.txt")
    assert {name: list(map(str, found)) for name, found in dev.items()} == {
        name: list(map(str, bench.get(name, []))) for name in dev
    }


def test_no_dependency_is_capped() -> None:
    extras = [item for group in PROJECT["optional-dependencies"].values() for item in group]
    requirements = map(Requirement, PROJECT["dependencies"] + extras)
    assert [str(r) for r in requirements if any(s.operator not in (">=", "!=") for s in r.specifier)] == []


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_phony_target_is_explained_by_make_help() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert set(phony.group(1).split()) == targets()


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", ".ci/run", ".github/workflows/ci.yml"])
def test_documents_name_commands_that_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    named = set(re.findall(r"(?:^|`|run: )\s*make ([a-z][a-z-]*)", text, re.MULTILINE))
    assert named
    assert named <= targets()


def test_every_command_stands_in_contributing() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert [target for target in sorted(targets()) if f"`make {target}`" not in text] == []


def links(document: Path) -> list[str]:
    """The relative links of a Markdown file."""
    return [link for link in re.findall(r"\]\(([^)#\s]+)", document.read_text()) if "://" not in link]


def test_links_in_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    pairs = [(document, link) for document in documents for link in links(document)]
    assert len(pairs) > 10
    assert [f"{document.name}: {link}" for document, link in pairs if not (document.parent / link).exists()] == []


def test_the_tree_in_contributing_is_the_tree() -> None:
    tree = re.search(r"```\n(ndlab/\n.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert tree
    folder, missing = "", []
    for line in tree.group(1).splitlines():
        name = line.split()[0]
        folder = name if not line.startswith(" ") else folder
        path = ROOT / name if not line.startswith(" ") else ROOT / folder / name
        if not path.exists():
            missing.append(str(path.relative_to(ROOT)))
    assert missing == []


def test_the_tree_in_contributing_leaves_nothing_out() -> None:
    """Every module at the top of the package, and every folder at the top of the repository."""
    tree = (ROOT / "CONTRIBUTING.md").read_text()
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    paths = [Path(name.decode()) for name in done.stdout.split(b"\0") if b"/" in name]
    folders = {f"{path.parts[0]}/" for path in paths}
    modules = {path.parts[1] + "/" * (len(path.parts) > 2) for path in paths if path.parts[0] == "ndlab"}
    assert sorted(name for name in folders if f"\n{name} " not in tree and f"\n{name}\n" not in tree) == []
    assert sorted(name for name in modules if f"\n  {name} " not in tree) == []


def test_decisions_are_numbered_and_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    files = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [name[:4] for name in files] == [f"{number:04}" for number in range(1, len(files) + 1)]
    index = (folder / "README.md").read_text()
    assert re.findall(r"\((\d{4}-[^)]*\.md)\)", index) == files
    for name in files:
        text = (folder / name).read_text()
        assert re.match(rf"# {name[:4]}\. \S", text)
        assert [part for part in ("**Context.**", "**Decision.**", "**What it costs.**") if part not in text] == []


def environment() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "environment.yml").read_text())
    return found


def test_conda_environment_pins_python_and_installs_the_project() -> None:
    conda = [item for item in environment()["dependencies"] if isinstance(item, str)]
    by_pip = [item for item in environment()["dependencies"] if isinstance(item, dict)]
    assert by_pip == [{"pip": ["-e .[lab]"]}]
    assert "lab" in PROJECT["optional-dependencies"]
    python = [item for item in conda if item.startswith("python=")]
    assert len(python) == 1
    assert f"Programming Language :: Python :: {python[0].removeprefix('python=')}" in PROJECT["classifiers"]
    own = {canonicalize_name(Requirement(item).name) for item in PROJECT["dependencies"]}
    assert not own & set(conda), "what ndlab needs stands once, in pyproject.toml"


def test_binder_has_the_same_python_and_a_script_that_installs_the_lock() -> None:
    """repo2docker reads binder/ instead of the top level; .binder/ would hide both."""
    assert not (ROOT / ".binder").exists()
    binder = yaml.safe_load((ROOT / "binder" / "environment.yml").read_text())["dependencies"]
    assert binder == [item for item in environment()["dependencies"] if item in binder]
    assert "--require-hashes -r constraints/binder.txt" in (ROOT / "binder" / "postBuild").read_text()
