"""Exit codes, for scripts and schedulers."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """What a command's exit status says."""

    OK = 0
    FAILED = 1  # a problem was found, or a delivery failed
    MISTAKE = 2  # the command line or the project is wrong
    GUARDED = 3  # a guard stopped it: nothing was sent, or erased
    PARTIAL = 4  # delivered, but some rows are decided anew by the next sync
    INTERRUPTED = 130


EXPLAINED = """\b
Exit codes:
  0    done
  1    a problem was found, or a delivery failed
  2    the command line or the project is wrong
  3    a guard stopped it, nothing was sent or erased
  4    a partial delivery, the next sync does the rest
  130  interrupted
"""


# Of several lists, the most serious result decides.
_GRAVITY = (Code.OK, Code.PARTIAL, Code.GUARDED, Code.FAILED, Code.MISTAKE, Code.INTERRUPTED)


def worst(codes: list[Code]) -> Code:
    return max(codes, key=_GRAVITY.index, default=Code.OK)
