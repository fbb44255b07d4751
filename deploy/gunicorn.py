"""gunicorn's settings, on hosts and in the container.

A proxy that takes a request's body in before it hands it on must stand in front (deploy/nginx): a body that comes in
chunks has no length, and Django then sees an empty one.
"""

import os

bind = f"{os.environ.get('LISTEN', '127.0.0.1')}:{os.environ.get('PORT') or 8000}"
worker_class = "gthread"
threads = 8
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
# A worker that says nothing for so long hangs and is replaced; requests in other threads don't count.
timeout = 120
graceful_timeout = 30
keepalive = 30  # longer than the proxy keeps an idle connection: else it may send into one that just ends
worker_tmp_dir = "/dev/shm"  # noqa: S108  (on a disk that is slow for a moment, workers would count as hanging)
control_socket_disable = True  # nothing outside steers it, and the image's files can't be written to
# No access log: addresses hold webhook tokens and what people searched for. The proxy's log leaves both out.
accesslog = None
errorlog = "-"
