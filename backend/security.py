"""Who may ask: the exact Host, the own Origin, the token or its cookie; and the headers that every answer carries."""

import hashlib
import hmac
import secrets
import time
from collections import defaultdict, deque
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.errors import ApiError, error_response
from backend.headers import is_api, protect
from backend.settings import Settings

COOKIE = "simclr_lab"
COOKIE_AGE_S = 30 * 24 * 3600
SAFE_METHODS = frozenset({"GET", "HEAD"})
# The only doors without a key. Pages are open because they hold nothing: everything they show comes from the API.
OPEN = frozenset({("GET", "/api/health"), ("POST", "/api/session")})
# Count their bytes themselves.
STREAMED = frozenset({"/api/datasets/upload", "/api/search/upload", "/api/augmentations/photo", "/api/encoders/upload"})
MAX_JSON_BYTES = 1 << 20


class Attempts:
    """Counts wrong tokens by address: more than ``limit`` within ``window_s`` and further ones are not even looked at."""

    def __init__(self, limit: int = 20, window_s: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._window_s, self._clock = limit, window_s, clock
        self._failures: defaultdict[str, deque[float]] = defaultdict(deque)

    def is_spent(self, address: str) -> bool:
        failures = self._failures.get(address)
        while failures and failures[0] < self._clock() - self._window_s:
            failures.popleft()
        if not failures:
            self._failures.pop(address, None)
            return False
        return len(failures) >= self._limit

    def failed(self, address: str) -> None:
        self._failures[address].append(self._clock())


class Keys:
    """Checks tokens and makes session cookies; a cookie holds no token but an HMAC made with it, so it survives a restart."""

    def __init__(self, token: str, clock: Callable[[], float] = time.time) -> None:
        self._token, self._clock = token.encode(), clock
        self.attempts = Attempts()

    def accepts_token(self, token: str, address: str) -> bool:
        """Compare in constant time, and count a wrong one.

        Raises:
            ApiError: 429, too many wrong tokens from this address in the last minute.
        """
        if self.attempts.is_spent(address):
            raise ApiError(429, "too_many_attempts", "Too many wrong tokens: wait a minute, then try again.")
        accepted = hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token)
        if not accepted:
            self.attempts.failed(address)
        return accepted

    def new_cookie(self) -> str:
        # With the random part no two browsers have the same one, so that what each has open can be counted.
        session = f"{int(self._clock())}.{secrets.token_hex(8)}"
        return f"{session}.{self._signature(session)}"

    def accepts_cookie(self, cookie: str) -> bool:
        session, _, signature = cookie.rpartition(".")
        issued, _, _ = session.partition(".")
        if not (issued.isascii() and issued.isdigit() and len(issued) <= 12 and signature.isascii()):
            return False
        is_genuine = hmac.compare_digest(signature, self._signature(session))
        return is_genuine and int(issued) > self._clock() - COOKIE_AGE_S

    def _signature(self, session: str) -> str:
        return hmac.new(self._token, f"simclr-lab session {session}".encode(), hashlib.sha256).hexdigest()


class Guard:
    """The first thing a request meets; answers 400, 401, 403, 413 or 429 itself, before anything reads the body."""

    def __init__(self, app: ASGIApp, settings: Settings, keys: Keys) -> None:
        self._app, self._keys = app, keys
        self._hosts = settings.origin_hosts
        self._origins = frozenset(f"{scheme}://{host}" for host in self._hosts for scheme in ("http", "https"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":  # there are no websockets: whatever else comes is dropped
                await self._app(scope, receive, send)
            return
        try:
            self._admit(scope)
            receive = _limited(scope, receive)
        except ApiError as refusal:
            await error_response(refusal.status, refusal.detail)(scope, receive, _protected(scope, send))
            return
        await self._app(scope, receive, _protected(scope, send))

    def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if len(headers.getlist("host")) != 1 or headers["host"] not in self._hosts:
            raise ApiError(
                400,
                "unknown_host",
                "The lab does not answer under this host name: use one of its own addresses, or add the name to "
                "SIMCLR_LAB_ALLOWED_HOSTS.",
            )
        method, path = scope["method"], scope["path"]
        has_bearer = self._has_bearer(headers, address_of(scope))
        if not (is_open(method, path) or has_bearer or self._has_cookie(headers)):
            raise ApiError(401, "signed_out", "Sign in first: open the link that the lab printed when it started.")
        if method not in SAFE_METHODS and not self._is_own(headers, has_bearer):
            raise ApiError(403, "foreign_origin", "A page of another site may not change anything here.")

    def _has_bearer(self, headers: Headers, address: str) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self._keys.accepts_token(token.strip(), address)

    def _has_cookie(self, headers: Headers) -> bool:
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return morsel is not None and self._keys.accepts_cookie(morsel.value)

    def _is_own(self, headers: Headers, has_bearer: bool) -> bool:
        origins = headers.getlist("origin")
        if origins:
            return len(origins) == 1 and origins[0] in self._origins
        return has_bearer or headers.get("sec-fetch-site") == "same-origin"


def is_open(method: str, path: str) -> bool:
    """True for what anybody may ask: the pages, and the two doors through which people come in."""
    is_page = method in SAFE_METHODS and not is_api(path)
    return is_page or (method, path) in OPEN


def address_of(scope: Scope) -> str:
    """The address a request comes from, for counting attempts."""
    client = scope.get("client")
    return client[0] if client else "unknown"


def exceeds(declared: str, cap: int) -> bool:
    """True when a Content-Length is above ``cap``, or is none."""
    is_number = declared.isascii() and declared.isdigit() and len(declared) < 20
    return not is_number or int(declared) > cap


def _limited(scope: Scope, receive: Receive) -> Receive:
    """Refuse a body longer than any JSON the API takes, by its declared length or while it arrives."""
    if scope["path"] in STREAMED:
        return receive
    too_large = ApiError(413, "too_large", f"The body is larger than {MAX_JSON_BYTES} bytes.")
    declared = Headers(scope=scope).get("content-length", "0")
    if exceeds(declared, MAX_JSON_BYTES):
        raise too_large
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MAX_JSON_BYTES:
            raise too_large
        return message

    return counted


def _protected(scope: Scope, send: Send) -> Send:

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            protect(MutableHeaders(scope=message), scope["path"])
        await send(message)

    return with_headers
