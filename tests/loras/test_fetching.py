"""Adapters from folders, from the web, and by their name at Hugging Face."""

import threading
from collections.abc import Generator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.loras.fetching import Wanted, fetch
from app.loras.unusable import Unusable
from tests.support.adapters import make


class Quiet(SimpleHTTPRequestHandler):
    """A web server's folder; `/secret` wants a token, and what begins with `/cut` is cut off."""

    def do_GET(self) -> None:
        if self.path.startswith("/secret") and self.headers["authorization"] != "Bearer right":
            self.send_error(401)
        elif self.path.startswith("/cut") and self.path.endswith("safetensors"):
            self.send_response(200)
            self.send_header("content-length", "1000")
            self.end_headers()
            self.wfile.write(b"short")
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def web(tmp_path: Path) -> Generator[tuple[Path, str]]:
    """A folder, and the address that it is served at."""
    folder = tmp_path / "web"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def got(source: str, into: Path, name: str = "") -> str:
    return fetch(Wanted(source, into, name), lambda _: None)


def test_a_folder_is_copied_under_its_version_s_name(tmp_path):
    version = make(tmp_path / "made", "risk", 1, {"user": "?", "answer": "!"})
    assert got(str(tmp_path / "made" / version), tmp_path / "loras") == version
    assert sorted(each.name for each in (tmp_path / "loras" / version).iterdir()) == [
        "adapter.json",
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert got(str(tmp_path / "made" / version), tmp_path / "loras") == version


def test_an_address_is_fetched_and_the_place_names_what_has_no_manifest(tmp_path, web):
    folder, url = web
    version = make(folder, "made", 1)
    (folder / version).rename(folder / "risk-lora")
    assert got(f"{url}/risk-lora/", tmp_path / "loras") == f"risk-lora@{version.partition('@')[2]}"
    assert got(f"{url}/risk-lora/", tmp_path / "loras", "risk") == f"risk@{version.partition('@')[2]}"


def test_a_name_at_hugging_face_is_fetched_with_its_revision_and_the_token(tmp_path, web, monkeypatch):
    folder, url = web
    made = folder / "secret" / "risk-lora" / "resolve" / "v2"
    made.parent.mkdir(parents=True)
    version = make(folder, "made", 1)
    (folder / version).rename(made)
    monkeypatch.setenv("HF_ENDPOINT", url)
    with pytest.raises(Unusable, match="status 401: HF_TOKEN may be missing"):
        got("hf:secret/risk-lora@v2", tmp_path / "loras")
    monkeypatch.setenv("HF_TOKEN", "right")
    assert got("hf:secret/risk-lora@v2", tmp_path / "loras").startswith("risk-lora@")
    with pytest.raises(Unusable, match="status 404: is it there"):
        got("hf:secret/risk-lora", tmp_path / "loras")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere", "is no folder: name one, an address"),
        ("s3://bucket/risk", "is no folder"),
        ("http://127.0.0.1:1/risk", "could not be fetched"),
        ("{url}/cut/risk", "could not be fetched"),
        ("{url}/bad", "it cannot be served"),
    ],
)
def test_what_cannot_be_had_is_told_and_leaves_nothing(tmp_path, web, source, said):
    folder, url = web
    version = make(folder, "made", 1)
    (folder / "cut").mkdir()
    (folder / version).rename(folder / "bad")
    (folder / "cut" / "risk").symlink_to(folder / "bad")
    (folder / "bad" / "adapter_config.json").write_text('{"peft_type": "LOHA"}')
    with pytest.raises(Unusable, match=said):
        got(source.format(url=url), tmp_path / "loras")
    assert [*(tmp_path / "loras").iterdir()] == []
