"""Whether this worker was told to stop: long work asks between two steps, and leaves the rest to the next worker."""

import mmap

# One byte that the main process shares with the pool it forks; a signal to the pool would end what it is doing.
_flag = mmap.mmap(-1, 1)


def stop() -> None:
    """Let every process of this worker know."""
    _flag[0] = 1


def is_stopping() -> bool:
    """Whether somebody has said stop() in any process of this worker."""
    return _flag[0] == 1
