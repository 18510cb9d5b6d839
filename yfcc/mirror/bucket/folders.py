"""Which of a run's items have files already: asked a folder at a time, not an item at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future
from typing import Final

from yfcc.mirror.bucket.objects import Objects

#: Folders that are remembered. Items come by folder: few are looked at again later.
_N_FOLDERS: Final = 1024


class Folders:
    """Names in folders as they were when a run first looked.

    Nobody else writes there: the run holds the shards that its items' folders belong to.

    Parameters
    ----------
    objects : Objects
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Future[frozenset[str]]] = OrderedDict()

    def has(self, folder: str, name: str) -> bool:
        """Whether a folder had a name when it was first looked at.

        Raises
        ------
        TargetError
        """
        return name in self._find(folder)

    def _find(self, folder: str) -> frozenset[str]:
        with self._lock:
            names = self._known.get(folder)
            is_first = names is None
            if names is None:
                names = self._known[folder] = Future()
                if len(self._known) > _N_FOLDERS:
                    self._known.popitem(last=False)
        if is_first:
            try:
                names.set_result(frozenset(self._objects.list_folder(f"{folder}/")[0]))
            except BaseException as error:
                names.set_exception(error)
                raise
        return names.result()
