"""One thin script a stage of the pipeline: parameters and files in, files out."""

import os
import signal
import sys


def _leave(*_: object) -> None:
    os.write(2, b"interrupted before the work began\n")
    os._exit(1)


# `python -m stages.X` imports this first, then seconds of libraries: a Ctrl-C there has nothing to tidy up and no
# traceback to show; `run_stage` takes over
if sys.argv[0] == "-m":
    signal.signal(signal.SIGINT, _leave)
