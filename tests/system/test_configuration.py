"""/admin/configuration: the configuration read, checked, compared, written and rolled back over HTTP."""

import contextlib
import stat
import subprocess
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from tests.support.gateway import gateway_of, twin_configuration

HERE = "/admin/configuration"
CHAT = "/v1/chat/completions"
YAML = {"content-type": "application/yaml"}
ADMIN, USER = "hb-root-0001", "hb-user-0002"
KEYS = f"""
keys:
  - {{id: root, sha256: {sha256(ADMIN.encode()).hexdigest()}, models: ["*"], admin: true}}
  - {{id: user, sha256: {sha256(USER.encode()).hexdigest()}, models: [words]}}
"""


@pytest.fixture
def text(upstream):
    """The configuration's text, as it is at first."""
    return "server: {watch_seconds: 0.1}\n" + twin_configuration(upstream[1], KEYS).replace(
        "api_key: upstream-secret-1, ", ""
    )


@pytest.fixture
async def gateway(text, tmp_path):
    async with gateway_of(text, tmp_path) as running:
        yield running


@pytest.fixture
async def admin(gateway):
    async with httpx.AsyncClient(
        base_url=gateway.url, headers={"authorization": f"Bearer {ADMIN}"}, timeout=20
    ) as client:
        yield client


async def put(admin, text: str, version: str = "") -> httpx.Response:
    match = {"if-match": version} if version else {}
    return await admin.put(f"{HERE}/file", content=text, headers=YAML | match)


async def version(admin) -> str:
    return (await admin.get(f"{HERE}/file")).headers["etag"]


async def model(admin) -> str:
    body = {"model": "words", "messages": [{"role": "user", "content": "hi"}]}
    return (await admin.post(CHAT, json=body)).headers["x-hyperbridge-model"]


async def test_what_is_in_force_is_shown_without_secrets_and_without_the_way_to_the_file(admin, tmp_path):
    shown = await admin.get(HERE)

    assert shown.headers["cache-control"] == "no-store"
    document = shown.json()
    assert document["file"] == "hyperbridge.yaml"
    assert document["settings"]["models"]["words"]["upstream"] == "twin"
    assert f'"{document["version"]}"' == await version(admin)
    assert document["faults"] == []
    assert str(tmp_path) not in shown.text.replace(document["settings"]["store"]["url"] or "-", "")
    assert sha256(ADMIN.encode()).hexdigest() not in shown.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/file"),
        ("POST", "/validate"),
        ("POST", "/diff"),
        ("PUT", "/file"),
        ("GET", "/history"),
        ("POST", "/rollback"),
    ],
)
async def test_only_an_admin_may(admin, method, path):
    user = {"authorization": f"Bearer {USER}"}
    refused = await admin.request(method, HERE + path, headers=user)

    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "admin_only"


async def test_a_text_is_checked_with_the_place_of_each_fault_and_what_would_be_right(admin, text):
    wrong = text.replace("words: twin/twin", "words: twn/twin")
    answer = (await admin.post(f"{HERE}/validate", content=wrong, headers=YAML)).json()

    [fault] = answer["faults"]
    assert not answer["valid"]
    assert (fault["line"], fault["path"]) == (6, "models.words.upstream")
    assert "did you mean 'twin'?" in fault["message"]
    assert await model(admin) == "twin"


async def test_a_valid_text_may_have_warnings(admin, text):
    odd = text.replace('models: ["*"], admin', "models: [], admin")
    answer = (await admin.post(f"{HERE}/validate", content=odd, headers=YAML)).json()

    assert answer["valid"]
    assert any(each.startswith("hyperbridge.yaml:") for each in answer["warnings"])


async def test_prompt_templates_that_a_text_names_are_checked_with_it(admin, text, tmp_path):
    (tmp_path / "texts").mkdir()
    template = tmp_path / "texts" / "greeting.md"
    named = f"{text}\ntemplates: {{folder: texts}}\n"
    head = "---\ndescription: A greeting.\nvariables: {who: {description: a name, required: true}}\n---\n"

    template.write_text(f"{head}Hello.\n", encoding="utf-8")
    odd = (await admin.post(f"{HERE}/validate", content=named, headers=YAML)).json()
    template.write_text(f"{head}Hello {{{{ hwo }}}}.\n", encoding="utf-8")
    wrong = (await admin.post(f"{HERE}/validate", content=named, headers=YAML)).json()
    refused = await put(admin, named, await version(admin))

    assert odd["valid"]
    assert odd["warnings"][-1] == "texts/greeting.md: variables.who is declared, and not used"
    assert [(each["file"], each["line"]) for each in wrong["faults"]] == [("greeting.md", 5)]
    assert refused.status_code == 422
    assert "greeting.md, line 5" in refused.json()["error"]["message"]


async def test_the_difference_of_a_text_is_told_and_what_of_it_waits_for_a_restart(admin, text):
    wanted = text.replace("twin/twin", "twin/second").replace("watch_seconds: 0.1", "port: 1")
    answer = (await admin.post(f"{HERE}/diff", content=wanted, headers=YAML)).json()

    lines = answer["diff"].splitlines()
    assert '-      "model": "twin",' in lines
    assert '+      "model": "second",' in lines
    assert "server.port" in answer["after_restart"]
    assert await model(admin) == "twin"


async def test_a_text_that_is_put_is_in_force_when_the_answer_comes_and_can_be_rolled_back(
    admin, text, tmp_path
):
    path = tmp_path / "hyperbridge.yaml"
    path.chmod(0o640)
    before = await version(admin)
    new = text.replace("twin/twin", "twin/second")

    answer = await put(admin, new, before)
    assert answer.status_code == 200, answer.text
    assert await model(admin) == "second"
    assert answer.headers["etag"] == await version(admin) == f'"{answer.json()["version"]}"'
    assert path.read_text("utf-8") == new
    assert stat.S_IMODE(path.stat().st_mode) == 0o640

    [kept] = (await admin.get(f"{HERE}/history")).json()["data"]
    assert f'"{kept["version"]}"' == before
    back = await admin.post(f"{HERE}/rollback", json={"version": kept["version"]})
    assert back.status_code == 200, back.text
    assert await model(admin) == "twin"
    assert path.read_text("utf-8") == text


async def test_who_puts_a_text_says_which_one_it_replaces(admin, text):
    unsaid = await put(admin, text)
    changed = await put(admin, text.replace("twin/twin", "twin/second"), '"0123456789abcdef"')

    assert (unsaid.status_code, unsaid.json()["error"]["code"]) == (428, "if_match_missing")
    assert (changed.status_code, changed.json()["error"]["code"]) == (412, "configuration_changed")
    assert await model(admin) == "twin"


async def test_a_wrong_text_is_not_written(admin, text, tmp_path):
    refused = await put(admin, f"{text}\nnonsense: 1\n", await version(admin))

    assert refused.status_code == 422
    assert "nonsense: unknown setting" in refused.json()["error"]["message"]
    assert (tmp_path / "hyperbridge.yaml").read_text("utf-8") == text
    assert (await admin.get(f"{HERE}/history")).json()["data"] == []


async def test_a_text_that_cannot_come_into_force_is_not_written(admin, text, tmp_path):
    new = text.replace("upstreams:\n", "upstreams:\n  own: {kind: embedded, model: absent.gguf}\n")
    refused = await put(admin, new, await version(admin))

    assert refused.status_code == 422, refused.text
    assert (tmp_path / "hyperbridge.yaml").read_text("utf-8") == text


async def test_a_masked_secret_is_not_taken_for_one(admin, text):
    secret = text.replace("{kind: openai,", '{kind: openai, api_key: "sk-12345678",')
    written = await put(admin, secret, await version(admin))
    assert written.status_code == 200
    shown = await admin.get(f"{HERE}/file")
    assert "sk-12345678" not in shown.text
    assert 'api_key: "**********"' in shown.text
    assert sha256(ADMIN.encode()).hexdigest() in shown.text  # a hash is no key

    refused = await put(admin, shown.text, shown.headers["etag"])
    assert refused.status_code == 422
    assert "stands for a secret" in refused.json()["error"]["message"]


async def test_the_body_is_yaml_and_bounded(admin, text):
    wrong = await admin.post(f"{HERE}/validate", json={"text": text})
    large = await admin.post(f"{HERE}/validate", content=b"#" * 1_100_000, headers=YAML)
    broken = await admin.post(f"{HERE}/validate", content=b"\xff\xfe", headers=YAML)

    assert [each.status_code for each in (wrong, large, broken)] == [415, 413, 400]


async def test_no_more_than_twenty_texts_are_kept_each_once(admin, text):
    for number in range(23):
        new = text.replace("twin/twin", f"twin/t{number}")
        assert (await put(admin, new, await version(admin))).status_code == 200

    kept = (await admin.get(f"{HERE}/history")).json()["data"]
    assert len({each["version"] for each in kept}) == len(kept) == 20
    unknown = await admin.post(f"{HERE}/rollback", json={"version": "0" * 16})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "version_not_found")


async def test_where_nothing_can_be_written_that_is_told_and_nothing_is_lost(admin, text, tmp_path):
    (tmp_path / "hyperbridge.yaml.history").write_text("in the way")
    refused = await put(admin, text.replace("twin/twin", "twin/second"), await version(admin))

    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "configuration_read_only")
    assert (tmp_path / "hyperbridge.yaml").read_text("utf-8") == text
    assert await model(admin) == "twin"


@pytest.fixture
def own_disk(tmp_path):
    """A file system of 64 KiB, where a link from the gateway's own folder leads to: its log is not there."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        mounted("-t", "tmpfs", "-o", "size=64k", "tmpfs", disk)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a file system")
    (tmp_path / "hyperbridge.yaml").symlink_to(disk / "hyperbridge.yaml")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def mounted(*arguments: str | Path) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


def fill(disk: Path, free_pages: int) -> None:
    """All but so many times 4 KiB."""
    (disk / "free").write_bytes(b"x" * 4096 * free_pages)
    with contextlib.suppress(OSError), (disk / "filling").open("wb", buffering=0) as stream:
        while True:
            stream.write(b"x" * 4096)
    (disk / "free").unlink()


def leftovers(disk: Path) -> list[Path]:
    return list(disk.rglob("*.new"))


async def nothing_has_changed(admin, disk: Path, text: str, kept: list[str]) -> None:
    assert await model(admin) == "second"
    assert (disk / "hyperbridge.yaml").read_text("utf-8") == text
    history = (await admin.get(f"{HERE}/history")).json()["data"]
    assert [each["version"] for each in history] == kept
    assert not leftovers(disk)
    assert (await admin.get(HERE)).json()["faults"] == []


async def test_on_a_disk_that_is_full_or_only_read_the_configuration_stays_and_that_is_told(
    own_disk, text, tmp_path
):
    second, third = (text.replace("twin/twin", f"twin/{name}") for name in ("second", "third"))
    async with (
        gateway_of(text, tmp_path) as running,
        httpx.AsyncClient(base_url=running.url, headers={"authorization": f"Bearer {ADMIN}"}) as admin,
    ):
        before = (await version(admin)).strip('"')
        assert (await put(admin, second, await version(admin))).status_code == 200
        for free_pages in (0, 1):  # one is enough for the new text, and not for the one before beside it
            fill(own_disk, free_pages)
            full = [
                await put(admin, third, await version(admin)),
                await admin.post(f"{HERE}/rollback", json={"version": before}),
            ]
            for answer in full:
                assert (answer.status_code, answer.json()["error"]["code"]) == (507, "no_space")
                assert "hyperbridge.yaml is full" in answer.json()["error"]["message"]
            await nothing_has_changed(admin, own_disk, second, [before])
            (own_disk / "filling").unlink()

        mounted("-o", "remount,ro", own_disk)
        read_only = await put(admin, third, await version(admin))
        assert (read_only.status_code, read_only.json()["error"]["code"]) == (409, "configuration_read_only")
        assert "its file system can only be read" in read_only.json()["error"]["message"]
        await nothing_has_changed(admin, own_disk, second, [before])

        mounted("-o", "remount,rw", own_disk)
        assert (await put(admin, third, await version(admin))).status_code == 200
        assert await model(admin) == "third"


async def test_where_the_history_is_no_folder_it_is_empty(admin, tmp_path):
    (tmp_path / "hyperbridge.yaml.history").write_text("in the way")
    unknown = await admin.post(f"{HERE}/rollback", json={"version": "0" * 16})

    assert (await admin.get(f"{HERE}/history")).json()["data"] == []
    assert unknown.status_code == 404


async def test_a_gateway_that_does_not_look_at_its_file_does_not_write_it_either(text, tmp_path):
    quiet = text.replace("watch_seconds: 0.1", "watch_seconds: 0")
    async with (
        gateway_of(quiet, tmp_path) as running,
        httpx.AsyncClient(base_url=running.url, headers={"authorization": f"Bearer {ADMIN}"}) as admin,
    ):
        refused = await put(admin, text, await version(admin))

    assert refused.status_code == 409
    assert "watch_seconds" in refused.json()["error"]["message"]
