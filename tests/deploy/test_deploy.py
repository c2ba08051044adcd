"""The files of deploy/, each checked by the tool that reads it or by its schema, and each tool shown a broken file.

Run by `make deploy-test`, in an environment of its own with the tools. None of them asks the network: what a machine
with Docker or Kubernetes would say beyond that, no test here knows.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
pytestmark = pytest.mark.deploy


def said(*command: Any, **options: Any) -> tuple[int, str]:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **options)
    return done.returncode, done.stdout + done.stderr


def broken(path: Path, folder: Path, old: str, new: str) -> Path:
    """A copy with one thing changed."""
    text = path.read_text()
    assert old in text
    target = folder / path.name
    target.write_text(text.replace(old, new, 1))
    return target


# ---------------------------------------------------------------------------------------------------- container
def hadolint(path: Path) -> tuple[int, str]:
    return said(BIN / "hadolint", "--no-color", path)


def test_the_container_file_is_clean() -> None:
    assert hadolint(DEPLOY / "Containerfile") == (0, "")


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("USER 1000", "USER root", "DL3002"),
        ("python:3.13-slim-trixie", "python", "DL3006"),
        ("WORKDIR /opt/ndlab", "WORKDIR opt/ndlab", "DL3000"),
        ('CMD ["jupyter"', 'CMD "jupyter"', "DL3025"),
    ],
)
def test_hadolint_finds_what_is_wrong(tmp_path: Path, old: str, new: str, rule: str) -> None:
    path = broken(DEPLOY / "Containerfile", tmp_path, old, new)
    status, text = hadolint(path)
    if rule == "DL3006":
        # A base by argument is not looked into; named directly, it is.
        path.write_text(path.read_text().replace("FROM ${BASE}", "FROM python"))
        status, text = hadolint(path)
    assert status
    assert rule in text


def test_what_the_container_file_copies_is_there_and_let_through() -> None:
    let = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for line in (DEPLOY / "Containerfile").read_text().splitlines():
        if line.startswith("COPY "):
            for source in line.split()[1:-1]:
                assert any(one == source or one.startswith(f"{source}/") or source.startswith(one) for one in let), (
                    source
                )
    assert [one for one in let if not (ROOT / one).exists() and one != "deploy/hub"] == []
    assert (ROOT / "constraints" / "hub.txt").exists()


def test_the_script_of_the_image_is_clean_and_says_what_it_lacks(tmp_path: Path) -> None:
    script = DEPLOY / "build-image.sh"
    assert said("shellcheck", script) == (0, "")
    assert said("shellcheck", broken(script, tmp_path, '"BASE=$base"', "BASE=$base"))[0]
    (tmp_path / "bin").mkdir()
    for tool in ("dirname", "mktemp", "rm", "sh"):
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    assert said(script, env={"PATH": str(tmp_path / "bin")}) == (2, "no buildah: apt-get install buildah mmdebstrap\n")


# ---------------------------------------------------------------------------------------------------- compose
def compose(path: Path, *profiles: str) -> tuple[int, str]:
    words = [word for one in profiles for word in ("--profile", one)]
    return said(BIN / "docker-compose", "-f", path, *words, "config", "--format", "json")


def test_the_compose_file_is_valid_and_nothing_is_open_to_the_network() -> None:
    status, text = compose(DEPLOY / "compose.yaml", "serve", "dask")
    assert status == 0, text
    services = json.loads(text)["services"]
    assert sorted(services) == ["lab", "scheduler", "serve", "worker"]
    assert {port.get("host_ip") for one in services.values() for port in one.get("ports", ())} == {"127.0.0.1"}
    assert all(one["cap_drop"] == ["ALL"] for one in services.values())
    assert [mount["read_only"] for mount in services["serve"]["volumes"]] == [True]


@pytest.mark.parametrize(
    ("old", "new"),
    [("restart:", "restrat:"), ("depends_on: [scheduler]", "depends_on: [schedular]"), ("8888}:8888", "8888}:eight")],
)
def test_compose_finds_what_is_wrong(tmp_path: Path, old: str, new: str) -> None:
    path = broken(DEPLOY / "compose.yaml", tmp_path, old, new)
    assert compose(path, "serve", "dask")[0]


# ---------------------------------------------------------------------------------------------------- Kubernetes
def test_the_chart_lints_and_its_manifests_are_valid() -> None:
    import helm_python as helm
    import kubernetes_validate

    findings = helm.lint(str(DEPLOY / "helm" / "ndlab"))
    # A chart of nobody's catalogue needs no picture.
    assert [one for one in findings["messages"] if "icon" not in one["error"]] == []
    assert findings["errors"] == []
    with helm.Chart.load(str(DEPLOY / "helm" / "ndlab")) as chart:
        manifests = chart.render(
            {"public": ["medulla", "cells"], "cors": ["https://a.org"]}, name="demo", namespace="n"
        )
    found = [yaml.safe_load(text) for name, text in sorted(manifests.items()) if name.endswith(".yaml")]
    assert [one["kind"] for one in found] == ["Deployment", "Service"]
    for one in found:
        kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)
    (container,) = found[0]["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["--public", "medulla", "cells", "--cors", "https://a.org"]
    # The token is in no list of processes.
    assert [one["name"] for one in container["env"]] == ["NDLAB_TOKEN"]


@pytest.mark.parametrize(
    "values",
    [{"replcas": 3}, {"replicas": "two"}, {"service": {"port": 0}}, {"image": {"name": "x", "tag": "latest"}},
     {"cors": ["a.org"]}],
)  # fmt: skip
def test_the_schema_of_the_chart_finds_what_is_wrong(values: dict[str, Any]) -> None:
    import helm_python as helm

    with helm.Chart.load(str(DEPLOY / "helm" / "ndlab")) as chart:
        chart.validate_schema({})
        with pytest.raises(helm.HelmError):
            chart.validate_schema(values)


def test_a_manifest_with_an_unknown_field_is_found() -> None:
    import helm_python as helm
    import kubernetes_validate

    with helm.Chart.load(str(DEPLOY / "helm" / "ndlab")) as chart:
        manifests = chart.render({"resources": {"limit": {"cpu": "1"}}}, name="demo", namespace="n")
    deployment = next(yaml.safe_load(text) for name, text in manifests.items() if "deployment" in name)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, kubernetes_validate.latest_version(), strict=True)


def daskhub(change: Any = None) -> list[str]:
    """What the schema says of the daskhub values, changed or not."""
    import jsonschema

    schema = json.loads((DEPLOY / "helm" / "daskhub-values.schema.json").read_text())
    values = yaml.safe_load((DEPLOY / "helm" / "daskhub-values.yaml").read_text())
    if change is not None:
        change(values)
    jsonschema.Draft7Validator.check_schema(schema)
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(values)]


def test_the_values_of_the_hub_fit_their_schema() -> None:
    assert daskhub() == []


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values["jupyterhub"].update(singeluser={}),
        lambda values: values["jupyterhub"]["singleuser"]["image"].update(tag="latest"),
        lambda values: values["jupyterhub"]["singleuser"].update(cmd=["jupyterhub-singleuser"]),
        lambda values: values["jupyterhub"]["cull"].update(timeout="an hour"),
        lambda values: values["jupyterhub"]["proxy"]["https"].update(enabled=False),
        lambda values: values["dask-gateway"]["gateway"]["extraConfig"].pop("commands"),
    ],
    ids=["mistyped key", "moving tag", "open handlers", "wrong type", "no TLS", "old command lines"],
)
def test_the_schema_of_the_hub_finds_what_is_wrong(change: Any) -> None:
    assert daskhub(change)


# ---------------------------------------------------------------------------------------------------- bare machines
def test_the_yaml_is_clean(tmp_path: Path) -> None:
    # cloud-init knows its files by a first line that is a comment without a space.
    rules = (
        "{extends: default, rules: {line-length: {max: 120}, document-start: disable, braces: disable, "
        "comments: {require-starting-space: false}}}"
    )
    files = [*DEPLOY.glob("*.yaml"), *DEPLOY.glob("helm/*.yaml"), *DEPLOY.glob("helm/ndlab/*.yaml")]
    assert said(BIN / "yamllint", "--strict", "-d", rules, *files) == (0, "")
    assert said(BIN / "yamllint", "--strict", "-d", rules, broken(files[0], tmp_path, ":", ":  "))[0]


def test_the_sbatch_script_is_clean_and_asks_for_its_recipe(tmp_path: Path) -> None:
    script = DEPLOY / "slurm" / "run.sbatch"
    assert said("shellcheck", "--shell=bash", script) == (0, "")
    assert said("shellcheck", "--shell=bash", broken(script, tmp_path, '"$recipe" --', "$recipe --"))[0]
    status, text = said("bash", script)
    assert status
    assert "give the recipe" in text


def cloud_init_keys() -> set[str]:
    """Every key that a module of the installed cloud-init has at the top."""
    code = "import cloudinit.config as c; print(c.__path__[0])"
    folder = Path(said("/usr/bin/python3", "-c", code)[1].strip())
    schema = json.loads((folder / "schemas" / "schema-cloud-config-v1.json").read_text())
    return {key for one in schema["$defs"].values() for key in one.get("properties", ())}


def test_the_user_data_fits_the_schema_of_cloud_init(tmp_path: Path) -> None:
    path = DEPLOY / "cloud-init.yaml"
    command = shutil.which("cloud-init")
    assert command, "apt-get install cloud-init"
    status, text = said(command, "schema", "--config-file", path)
    assert (status, "Valid" in text) == (0, True), text
    for old, new in (("package_update: true", "package_update: 3"), ("lock_passwd: false", "lock_passwd: maybe")):
        status, text = said(command, "schema", "--config-file", broken(path, tmp_path, old, new))
        assert status, text
    # The command lets an unknown key pass.
    known = cloud_init_keys()
    assert set(yaml.safe_load(path.read_text())) <= known
    assert "runcmds" not in known


def test_what_the_user_data_names_is_in_the_repository() -> None:
    data = yaml.safe_load((DEPLOY / "cloud-init.yaml").read_text())
    text = json.dumps(data)
    for name in ("scripts/setup.py", "constraints/hub.txt"):
        assert f"/opt/ndlab/{name}" in text
        assert (ROOT / name).exists()
    units = {one["path"]: one["content"] for one in data["write_files"]}
    assert "jupyterhub_config.py" in units["/etc/systemd/system/ndlab-hub.service"]
