"""docker-compose.yml and the configurations it mounts: hardened, private, complete."""

import re
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from app import config
from app.config import Vllm
from tests.deploy.files import ROOT, read_yaml, variables

COMPOSE = read_yaml("docker-compose.yml")
SERVICES = COMPOSE["services"]
CONFIGURATIONS = ("deploy/hyperbridge.yaml", "deploy/hyperbridge.gpu.yaml")

each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


def exampled() -> set[str]:
    """The variables that .env.example names, those in an example line too."""
    return set(re.findall(r"^#?([A-Z0-9_]+)=", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE))


@pytest.fixture
def new_env(tmp_path) -> tuple[str, Path]:
    """What deploy/new-env.sh says, and the folder where it wrote .env."""
    done = subprocess.run(
        ["sh", ROOT / "deploy/new-env.sh"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    return done.stdout, tmp_path


def test_every_yaml_file_passes_the_linter():
    files = [
        path
        for pattern in ("*.yml", "*.yaml", "deploy/**/*.y*ml", "tests/**/*.y*ml")
        for path in ROOT.glob(pattern)
    ]
    done = subprocess.run(
        [Path(sys.executable).parent / "yamllint", "--strict", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "")
    assert len(files) >= 8


@each_service
def test_a_service_is_pinned_hardened_and_bounded(service):
    assert re.search(r":v?\d+\.\d+\.\d+", service["image"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert not {"privileged", "cap_add", "devices", "pid", "ipc", "network_mode"} & service.keys()
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert "healthcheck" in service or "build" in service  # the Dockerfile has one


@each_service
def test_ports_are_published_on_loopback_only(service):
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:")
    if "ports" in service:
        assert any(not (COMPOSE["networks"][name] or {}).get("internal") for name in service["networks"])


def test_redis_and_vllm_are_reached_from_inside_only():
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert SERVICES["redis"]["networks"] == ["inside"]
    assert "ports" not in SERVICES["redis"]
    assert "ports" not in SERVICES["vllm"]
    others = [service for name, service in SERVICES.items() if name != "vllm"]
    assert not any("downloads" in service["networks"] for service in others)


def test_what_is_mounted_is_there():
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume).split(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).exists(), source
            assert source in COMPOSE["volumes"] or volume.endswith(":ro"), source


def test_every_variable_is_in_the_example():
    used = variables((ROOT / "docker-compose.yml").read_text("utf-8"))
    for path in CONFIGURATIONS:
        used |= variables((ROOT / path).read_text("utf-8"))

    assert used - exampled() == set()


def test_no_secret_has_a_default_and_the_example_holds_none():
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    for name in ("HYPERBRIDGE_KEY_SHA256", "REDIS_PASSWORD", "GRAFANA_PASSWORD", "VLLM_API_KEY"):
        assert f"${{{name}:?" in text
        assert f"\n{name}=\n" in (ROOT / ".env.example").read_text("utf-8")


def test_the_gateway_is_handed_every_variable_of_its_configuration():
    for path in CONFIGURATIONS:
        used = variables((ROOT / path).read_text("utf-8"))
        assert used <= SERVICES["gateway"]["environment"].keys()


def test_a_new_env_opens_the_gateway_to_the_key_it_shows(new_env):
    said, folder = new_env
    key = re.search(r"hb-first-[0-9a-f]{48}", said)
    assert key is not None
    environment = config.read_environment(folder)

    for path in CONFIGURATIONS:
        settings = config.load(ROOT / path, environment)
        assert [each.sha256 for each in settings.keys] == [sha256(key[0].encode()).hexdigest()]
        assert (settings.server.host, settings.server.port, settings.warnings) == ("0.0.0.0", 8000, ())
    assert key[0] not in (folder / ".env").read_text("utf-8")
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


def test_a_new_env_holds_what_compose_requires_and_no_secret_twice(new_env):
    text = (new_env[1] / ".env").read_text("utf-8")
    written = dict(line.split("=") for line in text.splitlines())

    required = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text("utf-8")))
    assert written.keys() == required
    assert len(set(written.values())) == len(written)
    assert min(map(len, written.values())) >= 48


def test_an_env_that_is_there_stays_as_it_is(new_env):
    before = (new_env[1] / ".env").read_bytes()

    done = subprocess.run(
        ["sh", ROOT / "deploy/new-env.sh"], cwd=new_env[1], capture_output=True, check=False
    )

    assert done.returncode != 0
    assert (new_env[1] / ".env").read_bytes() == before


def test_the_gpu_profile_adds_vllm_with_its_own_configuration(new_env):
    vllm = SERVICES["vllm"]
    settings = config.load(ROOT / "deploy/hyperbridge.gpu.yaml", config.read_environment(new_env[1]))
    upstream = settings.upstreams["local"]

    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["vllm"]
    assert isinstance(upstream, Vllm)
    assert upstream.bases == ("http://vllm:8000/v1",)
    assert settings.models["base"].model == "base"
    assert {"--served-model-name=base", "--port=8000", "--enable-lora"} <= set(vllm["command"])
    assert any(flag.startswith("--max-lora-rank=") for flag in vllm["command"])
    assert vllm["environment"]["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "1"
    assert not any("KEY" in flag or "TOKEN" in flag for flag in vllm["command"])


def test_running_calls_may_finish_before_the_container_is_killed(new_env):
    grace = int(SERVICES["gateway"]["stop_grace_period"].removesuffix("s"))

    for path in CONFIGURATIONS:
        settings = config.load(ROOT / path, config.read_environment(new_env[1]))
        assert settings.server.drain_seconds + 5 <= grace


def test_the_image_and_the_package_are_of_one_version():
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert version is not None
    assert SERVICES["gateway"]["image"] == f"hyperbridge:{version[1]}"


def test_prometheus_asks_the_names_and_ports_that_compose_gives():
    jobs = {job["job_name"]: job for job in read_yaml("deploy/prometheus/prometheus.yml")["scrape_configs"]}
    datasource = read_yaml("deploy/grafana/provisioning/datasources/prometheus.yml")["datasources"][0]

    assert jobs["hyperbridge"]["static_configs"] == [{"targets": ["gateway:8000"]}]
    assert jobs["vllm"]["dns_sd_configs"][0]["names"] == ["vllm"]
    assert jobs["vllm"]["dns_sd_configs"][0]["port"] == 8000
    assert datasource["url"] == "http://prometheus:9090"
    assert {"inside"} == set(SERVICES["prometheus"]["networks"]) & set(SERVICES["gateway"]["networks"])
    assert "watching" in set(SERVICES["prometheus"]["networks"]) & set(SERVICES["grafana"]["networks"])
