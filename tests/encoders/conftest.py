"""A server on this machine for downloads, networks small enough to write to disk, and torchvision if it is here."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from impasto.encoders import download, weights

_KEPT: list[torch.library.Library] = []  # a library takes its operators back when it is collected


@pytest.fixture(autouse=True)
def no_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Downloads go to a cache of the test's own, past any proxy, and do not wait between attempts."""
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "_BACKOFF", 0.0)


class Server:
    """``answers[path](handler)`` writes the answer; every request is remembered.

    A client may hang up in the middle of an answer, as it does on what it refuses. Any other error while answering
    is the test's, and is raised at its end.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[http.server.BaseHTTPRequestHandler], None]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.errors: list[Exception] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append((self.path, dict(self.headers)))
                self.close_connection = True
                server.answers[self.path](self)

            def handle(self) -> None:
                try:
                    super().handle()
                except ConnectionError:
                    return
                except Exception as error:  # in a thread, where it would only be printed
                    server.errors.append(error)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        if self.errors:
            raise ExceptionGroup("while answering", self.errors)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> dict[str, weights.Architecture]:
    """VGG16 and VGG19 with a sixteenth of the channels."""
    small = {
        name: weights.Architecture(full.convolutions, tuple(channels // 16 for channels in full.channels))
        for name, full in weights.ARCHITECTURES.items()
    }
    for name, architecture in small.items():
        monkeypatch.setitem(weights.ARCHITECTURES, name, architecture)
    return small


@pytest.fixture(scope="session")
def torchvision_models() -> ModuleType:
    """torchvision.models; where its compiled part is for another torch, the two operators that it asks for."""
    try:
        import torchvision.models
    except ImportError:
        pytest.skip("torchvision is not installed")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        _KEPT.append(library)
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision.models
    return torchvision.models  # type: ignore[no-any-return]
