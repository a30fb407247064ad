"""``python -m tests.backend.api.blind``: the API with a child of vision that never says it is warm.

Importing torch would cost each test of something else three seconds of a core.
"""

import sys

from backend import app
from backend.vision import Vision

# Ends with the API, which holds the other end of its socket.
BLIND = (sys.executable, "-S", "-c", "import os, sys; os.read(int(sys.argv[2]), 1)")

if __name__ == "__main__":
    app.Vision = lambda: Vision(BLIND)  # type: ignore[assignment,misc]
    app.serve()
