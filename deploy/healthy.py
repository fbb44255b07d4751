"""Is this web process ready? For the container's health check; the image has no curl."""

import os
import sys
from urllib.request import urlopen

try:
    urlopen(f"http://127.0.0.1:{os.environ.get('PORT') or 8000}/health/ready", timeout=8).close()
except OSError as trouble:
    sys.exit(f"not ready: {trouble}")
