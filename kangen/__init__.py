"""kangen: graph-trained classifiers for microcontrollers.

import kangen

kangen.build("watch", target="cortex-m4")
kangen.verify("build/watch")
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["build", "inspect", "train", "verify"]

if TYPE_CHECKING:
    from kangen.api import build, inspect, train, verify


def __getattr__(name: str) -> Any:
    # torch takes seconds to import, so nothing is imported before it is asked for.
    if name not in __all__:
        raise AttributeError(f"module 'kangen' has no attribute '{name}'")
    from kangen import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
