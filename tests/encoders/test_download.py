from __future__ import annotations

import hashlib
import threading
import time
import urllib.request
from collections.abc import Callable
from email.message import Message
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from impasto import files
from impasto.encoders import download
from impasto.encoders.download import fetch
from impasto.errors import ParameterError, WeightsError
from impasto.files import cache_folder

BODY = bytes(range(256)) * 4096  # 1 MiB
SHA = hashlib.sha256(BODY).hexdigest()
Answer = Callable[[BaseHTTPRequestHandler], None]


def sends(
    body: bytes = BODY, *, etag: str | None = '"1"', ranges: bool = True, stop_after: int | None = None
) -> Answer:
    """A well-behaved answer, or one that announces everything and hangs up after ``stop_after`` bytes."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        begin = 0
        asked = handler.headers.get("Range")
        if ranges and asked and handler.headers.get("If-Range", etag) == etag:
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
            if begin >= len(body):
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{len(body)}")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
        else:
            handler.send_response(200)
        if etag:
            handler.send_header("ETag", etag)
        handler.send_header("Content-Length", str(len(body) - begin))
        handler.end_headers()
        handler.wfile.write(body[begin:] if stop_after is None else body[begin : begin + stop_after])

    return answer


def says(code: int, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def in_turn(*answers: Answer) -> Answer:
    rest = list(answers)
    return lambda handler: (rest.pop(0) if len(rest) > 1 else rest[0])(handler)


def leftovers() -> list[str]:
    return sorted(p.name for p in cache_folder().iterdir() if p.suffix in (".part", ".version"))


def test_whole_file_progress_and_cache(server: Any) -> None:
    server.answers["/vgg.pth"] = sends()
    seen: list[tuple[int, int | None]] = []
    path = fetch(f"{server.url}/vgg.pth", sha256=SHA[:8], progress=lambda *at: seen.append(at))
    assert path.read_bytes() == BODY and path.name.endswith("vgg.pth") and path.parent == cache_folder()
    assert seen[0] == (0, len(BODY)) and seen[-1] == (len(BODY), len(BODY)) and seen == sorted(seen)
    assert leftovers() == []
    assert fetch(f"{server.url}/vgg.pth", sha256=SHA[:8]) == path
    assert len(server.requests) == 1, "the second time it is in the cache"


def test_without_a_hash_it_is_kept_under_the_url(server: Any, tmp_path: Path) -> None:
    server.answers["/a/x.h5"] = server.answers["/b/x.h5"] = sends()
    paths = {fetch(f"{server.url}/{folder}/x.h5", cache=tmp_path / "here") for folder in "aab"}
    assert len(paths) == 2 and len(server.requests) == 2


def test_goes_on_where_the_connection_was_cut(server: Any) -> None:
    server.answers["/x"] = in_turn(sends(stop_after=300_000), sends())
    path = fetch(f"{server.url}/x", sha256=SHA)
    assert path.read_bytes() == BODY
    assert [headers.get("Range") for _, headers in server.requests] == [None, "bytes=300000-"]
    assert server.requests[1][1]["If-Range"] == '"1"'


def test_goes_on_in_a_later_process(server: Any) -> None:
    server.answers["/x"] = in_turn(sends(stop_after=300_000), sends(stop_after=0))
    with pytest.raises(WeightsError, match="300000 of 1048576 bytes; gave up"):
        fetch(f"{server.url}/x")
    server.answers["/x"] = sends()
    assert fetch(f"{server.url}/x").read_bytes() == BODY
    assert server.requests[-1][1]["Range"] == "bytes=300000-"


@pytest.mark.parametrize("etag", ['"2"', None])
def test_another_version_starts_over(server: Any, etag: str | None) -> None:
    other = BODY[::-1]
    server.answers["/x"] = in_turn(sends(stop_after=1000), sends(other, etag=etag, ranges=etag is not None))
    assert fetch(f"{server.url}/x").read_bytes() == other


def test_server_without_ranges_starts_over(server: Any) -> None:
    server.answers["/x"] = in_turn(sends(stop_after=1000, ranges=False), sends(ranges=False))
    assert fetch(f"{server.url}/x", sha256=SHA).read_bytes() == BODY


def test_version_unknown_and_no_hash_never_resumes(server: Any) -> None:
    server.answers["/x"] = in_turn(sends(stop_after=1000, etag=None), sends(etag=None))
    assert fetch(f"{server.url}/x").read_bytes() == BODY
    assert "Range" not in server.requests[1][1]


@pytest.mark.parametrize(("part", "requests"), [(BODY, 1), (BODY + b"more", 2)])
def test_nothing_left_to_send(server: Any, part: bytes, requests: int) -> None:
    server.answers["/x"] = sends()
    cache_folder().mkdir(parents=True)
    (cache_folder() / f"{SHA[:16]}-x.part").write_bytes(part)
    assert fetch(f"{server.url}/x", sha256=SHA).read_bytes() == BODY
    assert len(server.requests) == requests


def test_a_bad_beginning_is_thrown_away(server: Any) -> None:
    server.answers["/x"] = sends()
    cache_folder().mkdir(parents=True)
    (cache_folder() / f"{SHA[:16]}-x.part").write_bytes(b"rubbish")
    assert fetch(f"{server.url}/x", sha256=SHA).read_bytes() == BODY


def test_wrong_hash_is_not_kept(server: Any) -> None:
    server.answers["/x"] = sends(BODY[:-1] + b"!")
    with pytest.raises(WeightsError, match=f"expected SHA-256 {SHA[:16]}, got "):
        fetch(f"{server.url}/x", sha256=SHA)
    assert leftovers() == [] and len(server.requests) == 1
    assert [p.suffix for p in cache_folder().iterdir()] == [".lock"]


def test_damaged_cache_is_fetched_again(server: Any) -> None:
    server.answers["/x"] = sends()
    path = fetch(f"{server.url}/x", sha256=SHA)
    path.write_bytes(b"damaged")
    assert fetch(f"{server.url}/x", sha256=SHA).read_bytes() == BODY


def test_transient_errors_are_tried_again(server: Any) -> None:
    server.answers["/x"] = in_turn(says(500), says(503), sends())
    assert fetch(f"{server.url}/x").read_bytes() == BODY


def test_gives_up_after_a_few(server: Any) -> None:
    server.answers["/x"] = says(503)
    with pytest.raises(WeightsError, match=r"answered 503 .*gave up after 5 attempts"):
        fetch(f"{server.url}/x")
    assert len(server.requests) == download.ATTEMPTS


def test_not_found_is_final(server: Any) -> None:
    server.answers["/x"] = says(404)
    with pytest.raises(WeightsError, match="/x: the server answered 404 Not Found"):
        fetch(f"{server.url}/x")
    assert len(server.requests) == 1


def test_silence_ends_in_an_error(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "ATTEMPTS", 2)
    server.answers["/x"] = lambda handler: time.sleep(0.4)
    with pytest.raises(WeightsError, match=r"no answer within 0\.1 s; gave up after 2 attempts"):
        fetch(f"{server.url}/x", timeout=0.1)


def test_follows_redirects(server: Any) -> None:
    server.answers["/x"] = says(302, Location="/y")
    server.answers["/y"] = sends()
    assert fetch(f"{server.url}/x").read_bytes() == BODY


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_redirects_stay_on_the_web(server: Any, to: str) -> None:
    server.answers["/x"] = says(302, Location=to)
    with pytest.raises(WeightsError, match=r"refused a redirect|is not allowed"):
        fetch(f"{server.url}/x")


def test_redirects_stay_encrypted() -> None:
    class Closed:
        def close(self) -> None:
            pass

    request = urllib.request.Request("https://example.org/x")
    handler: Any = download._NoDowngrade()
    with pytest.raises(WeightsError, match="refused a redirect from https to http"):
        handler.redirect_request(request, Closed(), 302, "Found", Message(), "http://example.org/x")


def test_web_page_and_encoding_are_refused(server: Any) -> None:
    server.answers["/x"] = says(200, Content_Type="text/html; charset=utf-8")
    with pytest.raises(WeightsError, match="got a web page"):
        fetch(f"{server.url}/x")
    server.answers["/x"] = says(200, Content_Encoding="gzip")
    with pytest.raises(WeightsError, match="encoded as gzip"):
        fetch(f"{server.url}/x")


@pytest.mark.parametrize("announced", [True, False])
def test_too_large_is_refused(server: Any, monkeypatch: pytest.MonkeyPatch, announced: bool) -> None:
    monkeypatch.setattr(download, "LIMIT", 1000)

    def unannounced(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(bytes(2000))

    server.answers["/x"] = sends() if announced else unannounced
    with pytest.raises(WeightsError, match="expected at most"):
        fetch(f"{server.url}/x")
    assert leftovers() == []


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc/passwd", "http or https"),
        ("https://", "http or https"),
        ("https://me:secret@example.org/x", "without user name"),
        ("https://example.org:port/x", "expected a URL"),
        ("https://example.org/a b", "as %XX"),
    ],
)
def test_unusable_urls(url: str, why: str) -> None:
    with pytest.raises(WeightsError, match=why) as caught:
        fetch(url)
    assert "secret" not in str(caught.value)


def test_no_such_host_and_nobody_there() -> None:
    with pytest.raises(WeightsError, match="no such host"):
        fetch("http://impasto.invalid/x")
    with pytest.raises(WeightsError, match="refuses the connection"):
        fetch("http://127.0.0.1:1/x")


def test_hash_must_be_one() -> None:
    with pytest.raises(ParameterError, match="8 to 64 hex digits"):
        fetch("http://127.0.0.1:1/x", sha256="abc")


def test_unwritable_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WeightsError, match="cannot be used"):
        fetch("http://127.0.0.1:1/x", cache=tmp_path / "file")


def test_two_at_once_download_once(server: Any) -> None:
    def slowly(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.2)
        sends()(handler)

    server.answers["/x"] = slowly
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(fetch(f"{server.url}/x", sha256=SHA).read_bytes()))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [BODY] * 3 and len(server.requests) == 1


def test_names_in_the_cache_are_plain(server: Any) -> None:
    server.answers["/..%2F..%2Fevil%00?q"] = sends()
    path = fetch(f"{server.url}/..%2F..%2Fevil%00?q")
    assert path.parent == cache_folder() and path.is_file()


def test_progress_goes_on_from_what_was_kept(server: Any) -> None:
    server.answers["/x"] = in_turn(sends(stop_after=300_000), sends())
    seen: list[tuple[int, int | None]] = []
    fetch(f"{server.url}/x", sha256=SHA.upper(), progress=lambda *at: seen.append(at))
    assert (300_000, len(BODY)) in seen and seen[-1] == (len(BODY), len(BODY))
    assert seen == sorted(seen), "never goes back"


def test_length_unknown(server: Any) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(BODY)

    server.answers["/x"] = answer
    seen: list[tuple[int, int | None]] = []
    assert fetch(f"{server.url}/x", progress=lambda *at: seen.append(at)).read_bytes() == BODY
    assert seen[0] == (0, None) and seen[-1] == (len(BODY), None)


def test_another_piece_than_asked_for(server: Any) -> None:
    def shifted(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 5-{len(BODY) - 1}/{len(BODY)}")
        handler.send_header("Content-Length", str(len(BODY) - 5))
        handler.end_headers()
        handler.wfile.write(BODY[5:])

    server.answers["/x"] = in_turn(sends(stop_after=1000), shifted, sends())
    assert fetch(f"{server.url}/x").read_bytes() == BODY
    assert "Range" not in server.requests[2][1], "what was there is not trusted any more"


def test_never_complete(server: Any) -> None:
    """The server announces more than it ever sends."""
    server.answers["/x"] = sends(stop_after=1000, ranges=False)
    with pytest.raises(WeightsError, match=r"ended after 1000 of 1048576 bytes; gave up after 5") as caught:
        fetch(f"{server.url}/x", sha256=SHA)
    assert "\n" not in str(caught.value)
    assert not [p for p in cache_folder().iterdir() if p.suffix not in (".part", ".version", ".lock")]


def test_silence_in_the_middle(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came before is kept, and the next attempt asks for the rest."""

    def stalls(handler: BaseHTTPRequestHandler) -> None:
        sends(stop_after=1000)(handler)
        handler.wfile.flush()
        time.sleep(0.6)

    server.answers["/x"] = in_turn(stalls, sends())
    assert fetch(f"{server.url}/x", sha256=SHA, timeout=0.25).read_bytes() == BODY
    assert server.requests[1][1]["Range"] == "bytes=1000-"


@pytest.mark.parametrize("sha256", [SHA, SHA[:8], None])
def test_cache_serves_when_the_server_is_gone(server: Any, sha256: str | None) -> None:
    server.answers["/x"] = sends()
    path = fetch(f"{server.url}/x", sha256=sha256)
    server.answers["/x"] = says(404)
    assert fetch(f"{server.url}/x", sha256=sha256) == path and path.read_bytes() == BODY
    assert len(server.requests) == 1


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "chosen"))
    assert cache_folder() == tmp_path / "chosen"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("IMPASTO_CACHE", "~/there")
    assert cache_folder() == tmp_path / "there"
    monkeypatch.setattr(files.platformdirs, "user_cache_dir", lambda *a, **k: str(tmp_path / "usual"))
    monkeypatch.setenv("IMPASTO_CACHE", "")
    assert cache_folder() == tmp_path / "usual"
    monkeypatch.setenv("IMPASTO_CACHE", "~no-such-user/x")
    with pytest.raises(
        ParameterError, match="IMPASTO_CACHE: expected the home of a known user, got ~no-such-user/x"
    ):
        fetch("http://127.0.0.1:1/x")


def test_redirect_in_a_circle_is_one_line(server: Any) -> None:
    server.answers["/x"] = says(302, Location="/y")
    server.answers["/y"] = says(302, Location="/x")
    with pytest.raises(WeightsError, match=r"/x: the server answered 302 .*infinite loop") as caught:
        fetch(f"{server.url}/x")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("host", ["a..invalid", "a" * 70 + ".invalid"])
def test_hosts_that_cannot_be_are_refused(host: str) -> None:
    with pytest.raises(WeightsError, match="expected a URL, got an invalid one: ") as caught:
        fetch(f"http://{host}/x")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("to", ["http://a..invalid/x", "http://[::1/x"])
def test_redirect_to_no_address(server: Any, to: str) -> None:
    server.answers["/x"] = says(302, Location=to)
    with pytest.raises(WeightsError, match="/x: expected a URL, got an invalid one: "):
        fetch(f"{server.url}/x")


def test_an_encrypted_redirect_is_followed() -> None:
    request = urllib.request.Request("http://example.org/x")
    handler: Any = download._NoDowngrade()
    onward = handler.redirect_request(request, None, 302, "Found", Message(), "https://example.org/x")
    assert onward.full_url == "https://example.org/x"


def test_two_threads_and_two_files(server: Any) -> None:
    """Without a hash too; the lock is per file, so the other file does not wait for the first."""
    arrived = threading.Barrier(2, timeout=5)

    def together(handler: BaseHTTPRequestHandler) -> None:
        arrived.wait()  # only passes if both are being fetched at the same time
        sends()(handler)

    server.answers["/x"] = server.answers["/y"] = together
    found: dict[str, bytes] = {}
    threads = [
        threading.Thread(
            target=lambda name=name: found.__setitem__(name, fetch(f"{server.url}/{name}").read_bytes())
        )
        for name in "xy"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"x": BODY, "y": BODY}
