"""``python -m rnnx``, and the ``rnnx`` script."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command line in this process."""
    # One thread, whatever was asked for: the products are small, idle BLAS threads that spin cost more than they give,
    # and the last digits depend on their number, which --workers must not see.
    os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"))
    try:
        from rnnx.cli import main as run

        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
