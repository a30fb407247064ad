"""The protective headers that every answer carries, errors included."""

from starlette.datastructures import MutableHeaders

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
}


def protect(headers: MutableHeaders, path: str) -> None:
    """Add the protective headers; a route that set one of them itself (a stricter policy for images) keeps its own."""
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    if is_api(path):
        headers.setdefault("Cache-Control", "no-store")


def is_api(path: str) -> bool:
    """True below /api, where nothing is a page."""
    return path == "/api" or path.startswith("/api/")
