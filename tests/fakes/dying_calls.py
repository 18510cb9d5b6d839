"""A process that kills itself in the n-th of some calls of the system."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable


def die_at(names: Iterable[str], n: int) -> None:
    """End before the n-th call of those functions of ``os``, all counted together."""
    left = n
    for name in names:
        real = getattr(os, name)

        def counted(*arguments: object, _real: object = real, **more: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return _real(*arguments, **more)  # type: ignore[operator]

        setattr(os, name, counted)
