"""Downloads a URL to a file in the cache, complete and with the expected hash; otherwise raises an error.

A download is written to ``NAME.part`` and renamed when it is complete, so a file with its final name is always valid.
An interrupted download resumes where it stopped. A lock prevents two processes from writing the same file.
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
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})  # HTTP status codes that are worth a retry


def fetch(
    url: str,
    *,
    sha256: str | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
    timeout: float = 30.0,
) -> Path:
    """Download a file once; later calls return it from the cache without network access.

    Args:
        url: http or https.
        sha256: 8 to 64 hex digits: the beginning of the file's SHA-256, or all of it. None accepts any file and
            caches it under a name derived from the URL.
        cache: folder, by default ``cache_folder()``. It is created.
        progress: called with (bytes done, total bytes or None).
        timeout: seconds without a byte after which an attempt fails.

    Returns:
        the path of the file in the cache.

    Raises:
        WeightsError: the server refuses or does not have the file, the host is unknown, every attempt ends without
            an answer or early, the file is larger than ``LIMIT`` or has another hash, or the cache is not writable.
        ParameterError: ``sha256`` is not 8 to 64 hex digits.
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
        # The operating system releases the lock when the process ends, also after a crash.
        with filelock.FileLock(folder / f"{target.name}.lock"):
            if not _good(target, sha256):  # another process may have completed it meanwhile
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
        raise WeightsError(f"download {url}: expected a URL, got an invalid one: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_a_number:
        raise WeightsError(f"download {url}: expected an http or https URL with a host name, got another URL")
    if parts.username is not None or parts.password is not None:
        raise WeightsError(
            f"download from {parts.hostname}: expected a URL without user name and password, got one with them"
        )
    if not url.isascii() or re.search(r"[\x00-\x20\x7f]", url):
        raise WeightsError(
            f"download {url!r}: expected special characters as %XX, got a space or non-ASCII text"
        )
    return parts


def _good(path: Path, sha256: str | None) -> bool:
    if not path.is_file():
        return False
    return sha256 is None or _digest(path).startswith(sha256)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _TransientError(Exception):
    """This attempt failed; a retry may succeed."""


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from https to http, nor to any other scheme."""

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
    """One download; the caller has acquired the lock."""

    def __init__(
        self, url: str, target: Path, sha256: str | None, progress: Progress, timeout: float
    ) -> None:
        self.url = url
        self.target = target
        self.part = target.with_name(f"{target.name}.part")
        # The server's identifier of this version of the file, so that parts of two versions are never combined.
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
            except _TransientError as error:
                if attempt == ATTEMPTS:
                    raise WeightsError(
                        f"download {self.url}: {error}; gave up after {ATTEMPTS} attempts"
                    ) from error.__cause__
                time.sleep(_BACKOFF * 2 ** (attempt - 1))
                continue
            digest = _digest(self.part)
            if self.sha256 is None or digest.startswith(self.sha256):
                self.part.replace(self.target)
                self.validator.unlink(missing_ok=True)
                return
            self._discard()
            if not resumed:  # after a resumed download, retry: the earlier part may have been wrong
                raise WeightsError(
                    f"download {self.url}: expected SHA-256 {self.sha256[:16]}, got {digest[:16]}; "
                    "the file was deleted"
                )
        raise WeightsError(f"download {self.url}: gave up after {ATTEMPTS} attempts")

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.validator.unlink(missing_ok=True)

    def _transfer(self) -> bool:
        """Complete the part file; True if an earlier download was resumed."""
        have = self.part.stat().st_size if self.part.exists() else 0
        validator = self.validator.read_text(encoding="utf-8") if have and self.validator.exists() else ""
        if have and not validator and self.sha256 is None:
            have = 0  # without a hash or a validator, a change of the file could not be detected
        headers = {"User-Agent": "impasto", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if validator:
                headers["If-Range"] = validator
        request = urllib.request.Request(self.url, headers=headers)
        with self._open(request, have) as response:
            if response is None:  # the part file is already complete
                self.progress(have, have)
                return True
            offset = have if response.status == 206 and _begins_at(response, have) else 0
            if response.status == 206 and not offset:
                self._discard()
                raise _TransientError("the server sent another range than the requested one")
            self._check_content(response)
            total = _length(response, offset)
            if total is not None and total > LIMIT:
                raise self._too_large(total)
            if not offset:
                self._discard()
                self.validator.write_text(_version(response), encoding="utf-8")
            self._save(response, offset, total)
        return offset > 0

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
                    raise _TransientError(
                        "the file on the server has changed since the download began"
                    ) from error
                # urllib's reasons for not following a redirect have several lines.
                answer = f"the server answered {error.code} {' '.join(str(error.reason).split())}"
                if error.code in _TRANSIENT:
                    raise _TransientError(answer) from error
                raise WeightsError(f"download {self.url}: {answer}") from error
        # ValueError: an invalid host name, here or in a redirect.
        except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
            raise self._network(error) from error
        with response:
            yield response

    def _network(self, error: Exception) -> Exception:
        """The exception for a failed connection: :class:`_TransientError` where a retry may succeed."""
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        host = urllib.parse.urlsplit(self.url).hostname
        if isinstance(reason, ValueError):
            return WeightsError(f"download {self.url}: expected a URL, got an invalid one: {reason}")
        if isinstance(reason, socket.gaierror):
            return WeightsError(f"download {self.url}: no such host {host!r}, or no network connection")
        if isinstance(reason, ssl.SSLCertVerificationError):
            return WeightsError(
                f"download {self.url}: the certificate of {host} is not trusted: {reason.reason}"
            )
        if isinstance(reason, ConnectionRefusedError):
            return WeightsError(f"download {self.url}: {host} refuses the connection")
        if isinstance(reason, TimeoutError):
            return _TransientError(f"no answer within {self.timeout:g} s")
        return _TransientError(f"the connection failed: {reason or type(reason).__name__}")

    def _check_content(self, response: http.client.HTTPResponse) -> None:
        if response.headers.get_content_type() == "text/html":
            raise WeightsError(f"download {self.url}: expected a file, got a web page")
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise WeightsError(
                f"download {self.url}: expected an unencoded file, got one encoded as {encoding}"
            )

    def _too_large(self, size: int) -> WeightsError:
        self._discard()
        return WeightsError(
            f"download {self.url}: expected at most {LIMIT / 1e9:.1f} GB, got {size / 1e9:.1f} GB"
        )

    def _save(self, response: http.client.HTTPResponse, offset: int, total: int | None) -> None:
        done = offset
        self.progress(done, total)
        with self.part.open("ab") as file:
            while True:
                try:
                    # read1() returns the bytes received so far, so that a stalled chunk does not lose them.
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
        # read1() raises no error if the connection ends early.
        if total is not None and done != total:
            if done > total:
                self._discard()
            raise _TransientError(f"the connection ended after {done} of {total} bytes")


def _length(response: http.client.HTTPResponse, offset: int) -> int | None:
    """The size of the whole file in bytes; None if the server does not send it."""
    length = response.headers.get("Content-Length", "")
    return offset + int(length) if length.isdecimal() else None


def _begins_at(response: http.client.HTTPResponse, have: int) -> bool:
    return bool(re.match(rf"bytes {have}-", response.headers.get("Content-Range", "")))


def _version(response: http.client.HTTPResponse) -> str:
    """A value for If-Range, which does not accept weak ETags; "" if the server sends none."""
    etag: str = response.headers.get("ETag", "")
    if etag.startswith('"'):
        return etag
    return str(response.headers.get("Last-Modified", ""))
