"""What browsers are told on every answer, besides what Django's own middleware says."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

# No page uses any of them, and what a page of ours shows could ask for them.
OFF = (
    "accelerometer autoplay bluetooth camera display-capture encrypted-media geolocation gyroscope hid "
    "idle-detection magnetometer microphone midi payment publickey-credentials-get screen-wake-lock serial usb "
    "web-share xr-spatial-tracking"
).split()
HEADERS = {
    "Permissions-Policy": ", ".join(f"{name}=()" for name in OFF),
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Permitted-Cross-Domain-Policies": "none",
}


class MoreHeaders:
    """Middleware. Django itself says Referrer-Policy, HSTS, nosniff and Cross-Origin-Opener-Policy."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self.get_response(request)
        for name, value in HEADERS.items():
            answer.headers.setdefault(name, value)
        return answer
