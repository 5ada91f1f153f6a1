"""A URL -> a file in the cache, complete and of the expected hash, or an error that says why not.

A download goes to ``NAME.part`` and is renamed when it is whole, so a file under its own name is always good.
What was interrupted goes on where it stopped. A lock keeps two processes from writing the same file.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import re
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from typing import IO, Final

import filelock

from impasto.errors import ParameterError, WeightsError
from impasto.files import cache_folder

Progress = Callable[[int, int | None], None]

LIMIT: Final = 2 * 1024**3  # bytes; VGG19 with its classifier is 0.57 GB
ATTEMPTS: Final = 5
_CHUNK = 256 * 1024
_BACKOFF = 0.5  # seconds before the second attempt, doubled before each further one
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})  # answers that may differ a moment later


def fetch(
    url: str,
    *,
    sha256: str | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
    timeout: float = 30.0,
) -> Path:
    """Download a file once; later calls find it in the cache without the network.

    Args:
        url: http or https.
        sha256: 8 to 64 hex digits, the beginning of the file's SHA-256 or all of it. None takes what comes,
            and keeps it under a name derived from the URL.
        cache: folder, by default ``cache_folder()``. It is created.
        progress: called with (bytes done, bytes in all or None).
        timeout: seconds without a byte after which an attempt has failed.

    Raises:
        WeightsError: refused or not found by the server, no such host, no answer, cut off again and again,
            larger than ``LIMIT``, of another hash, or the cache cannot be written.
        ParameterError: ``sha256`` is not that.
    """
    if sha256 is not None and not re.fullmatch(r"[0-9a-f]{8,64}", sha256 := sha256.lower()):
        raise ParameterError(f"sha256: expected 8 to 64 hex digits, got {sha256!r}")
    parts = _checked(url)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", urllib.parse.unquote(parts.path.rpartition("/")[2]))[-80:].lstrip(
        ".-"
    )
    key = sha256[:16] if sha256 else "url-" + hashlib.sha256(url.encode()).hexdigest()[:16]
    folder = cache if cache is not None else cache_folder()
    target = folder / (f"{key}-{stem}" if stem else key)
    try:
        if _good(target, sha256):
            return target
        folder.mkdir(parents=True, exist_ok=True)
        # The system gives the lock back when the process ends, however it ends.
        with filelock.FileLock(folder / f"{target.name}.lock"):
            if not _good(target, sha256):  # another process may have finished it meanwhile
                _Download(url, target, sha256, progress or (lambda done, total: None), timeout).run()
    except OSError as error:
        where = error.filename or folder
        raise WeightsError(f"cache {where}: cannot be used: {error.strerror or error}") from error
    return target


@contextlib.contextmanager
def kept_if_usable(path: Path, *, url: str) -> Iterator[None]:
    """Delete a download of unknown hash from the cache if the block finds it unusable.

    Args:
        path: the file.
        url: where it came from; a file that came from elsewhere is never deleted.
    """
    try:
        yield
    except WeightsError:
        if is_url(url):
            with contextlib.suppress(OSError):
                path.unlink()
        raise


def is_url(source: str) -> bool:
    """Whether weights are a URL, not a name or a file."""
    return re.match(r"[a-z][a-z0-9+.-]+://", source, re.IGNORECASE) is not None


def _checked(url: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(url)
        port_is_a_number = parts.port is None or parts.port >= 0
    except ValueError as error:
        raise WeightsError(f"download {url}: expected a URL, but {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_a_number:
        raise WeightsError(f"download {url}: expected an http or https URL")
    if parts.username is not None or parts.password is not None:
        raise WeightsError(f"download from {parts.hostname}: expected a URL without user name and password")
    if not url.isascii() or re.search(r"[\x00-\x20\x7f]", url):
        raise WeightsError(f"download {url!r}: expected a URL with special characters as %XX")
    return parts


def _good(path: Path, sha256: str | None) -> bool:
    if not path.is_file():
        return False
    return sha256 is None or _digest(path).startswith(sha256)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Again(Exception):
    """This attempt failed in a way that the next one may not."""


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but neither from https to http nor to anything else."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urllib.parse.urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (req.type == "https" and scheme != "https"):
            fp.close()
            raise WeightsError(
                f"download {req.full_url}: refused a redirect from {req.type} to {scheme}: {newurl}"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type, unused-ignore]


class _Download:
    """One file being fetched, the lock held."""

    def __init__(
        self, url: str, target: Path, sha256: str | None, progress: Progress, timeout: float
    ) -> None:
        self.url = url
        self.target = target
        self.part = target.with_name(f"{target.name}.part")
        # What the server called this version of the file, so that two versions are never stitched together.
        self.validator = target.with_name(f"{target.name}.version")
        self.sha256 = sha256
        self.progress = progress
        self.timeout = timeout
        # Not build_opener(): it would add file:, ftp: and data:.
        self.opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            _NoDowngrade(),
        ):
            self.opener.add_handler(handler)

    def run(self) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                resumed = self._transfer()
            except _Again as error:
                if attempt == ATTEMPTS:
                    raise WeightsError(
                        f"download {self.url}: {error}; gave up after {ATTEMPTS} attempts"
                    ) from error.__cause__
                time.sleep(_BACKOFF * 2 ** (attempt - 1))
                continue
            came = _digest(self.part)
            if self.sha256 is None or came.startswith(self.sha256):
                self.part.replace(self.target)
                self.validator.unlink(missing_ok=True)
                return
            self._discard()
            if not resumed:  # else the piece from before may have been at fault
                raise WeightsError(
                    f"download {self.url}: expected SHA-256 {self.sha256[:16]}, got {came[:16]}; not kept"
                )
        raise WeightsError(f"download {self.url}: gave up after {ATTEMPTS} attempts")

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.validator.unlink(missing_ok=True)

    def _transfer(self) -> bool:
        """Complete the part; True if it was begun earlier."""
        have = self.part.stat().st_size if self.part.exists() else 0
        validator = self.validator.read_text(encoding="utf-8") if have and self.validator.exists() else ""
        if have and not validator and self.sha256 is None:
            have = 0  # nothing would notice if the file had changed since
        headers = {"User-Agent": "impasto", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if validator:
                headers["If-Range"] = validator
        request = urllib.request.Request(self.url, headers=headers)
        with self._open(request, have) as response:
            if response is None:  # the server says that nothing is left to send
                self.progress(have, have)
                return True
            begun = have if response.status == 206 and _begins_at(response, have) else 0
            if response.status == 206 and not begun:
                self._discard()
                raise _Again("the server sent another piece than asked for")
            self._refuse_useless(response)
            total = _length(response, begun)
            if total is not None and total > LIMIT:
                raise self._too_large(total)
            if not begun:
                self._discard()
                self.validator.write_text(_version(response), encoding="utf-8")
            self._save(response, begun, total)
        return begun > 0

    @contextlib.contextmanager
    def _open(self, request: urllib.request.Request, have: int) -> Iterator[http.client.HTTPResponse | None]:
        try:
            response = self.opener.open(request, timeout=self.timeout)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 416 and have:
                    if (error.headers.get("Content-Range") or "").endswith(f"/{have}"):
                        yield None
                        return
                    self._discard()
                    raise _Again("the server has another version than the one begun") from error
                # urllib's own reasons for not following a redirect run over several lines.
                answer = f"the server answered {error.code} {' '.join(str(error.reason).split())}"
                if error.code in _AGAIN:
                    raise _Again(answer) from error
                raise WeightsError(f"download {self.url}: {answer}") from error
        # ValueError: a host name that cannot be one, here or in a redirect.
        except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
            raise self._network(error) from error
        with response:
            yield response

    def _network(self, error: Exception) -> Exception:
        """What a failed connection means: worth another attempt or not."""
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        host = urllib.parse.urlsplit(self.url).hostname
        if isinstance(reason, ValueError):
            return WeightsError(f"download {self.url}: expected a URL, but {reason}")
        if isinstance(reason, socket.gaierror):
            return WeightsError(f"download {self.url}: no such host {host!r}, or no network")
        if isinstance(reason, ssl.SSLCertVerificationError):
            return WeightsError(
                f"download {self.url}: the certificate of {host} is not trusted: {reason.reason}"
            )
        if isinstance(reason, ConnectionRefusedError):
            return WeightsError(f"download {self.url}: {host} refuses the connection")
        if isinstance(reason, TimeoutError):
            return _Again(f"no answer within {self.timeout:g} s")
        return _Again(f"the connection failed: {reason or type(reason).__name__}")

    def _refuse_useless(self, response: http.client.HTTPResponse) -> None:
        if response.headers.get_content_type() == "text/html":
            raise WeightsError(f"download {self.url}: expected a file, got a web page")
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise WeightsError(f"download {self.url}: expected the bare file, got it encoded as {encoding}")

    def _too_large(self, size: int) -> WeightsError:
        self._discard()
        return WeightsError(
            f"download {self.url}: expected at most {LIMIT / 1e9:.1f} GB, got {size / 1e9:.1f} GB"
        )

    def _save(self, response: http.client.HTTPResponse, begun: int, total: int | None) -> None:
        done = begun
        self.progress(done, total)
        with self.part.open("ab") as file:
            while True:
                try:
                    # read1: what has arrived is saved at once, and not lost with a chunk that never fills up.
                    chunk = response.read1(_CHUNK)
                except (http.client.HTTPException, OSError) as error:
                    raise self._network(error) from error
                if not chunk:
                    break
                file.write(chunk)
                done += len(chunk)
                if done > LIMIT:
                    raise self._too_large(done)
                self.progress(done, total)
        # read() does not complain about a connection that ends early.
        if total is not None and done != total:
            if done > total:
                self._discard()
            raise _Again(f"the connection ended after {done} of {total} bytes")


def _length(response: http.client.HTTPResponse, begun: int) -> int | None:
    """Bytes of the whole file."""
    length = response.headers.get("Content-Length", "")
    return begun + int(length) if length.isdecimal() else None


def _begins_at(response: http.client.HTTPResponse, have: int) -> bool:
    return bool(re.match(rf"bytes {have}-", response.headers.get("Content-Range", "")))


def _version(response: http.client.HTTPResponse) -> str:
    """A value for If-Range, which takes no weak ETag; "" if the server gives none."""
    etag: str = response.headers.get("ETag", "")
    if etag.startswith('"'):
        return etag
    return str(response.headers.get("Last-Modified", ""))
