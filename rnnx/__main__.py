"""``python -m rnnx``, and the ``rnnx`` script."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command line in this process."""
    # One thread: the products are small, and idle BLAS threads that spin cost more than they give.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from rnnx.cli import main as run

        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
