"""The router, which asks each model's own log. What reads one that lies elsewhere is loaded when there is one."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leeway.domain.stores import Ledger
from leeway.stores.external.source import read_source, source_path

if TYPE_CHECKING:
    from leeway.stores.external.log import ExternalLog


class RoutedLog:
    """`leeway.domain.stores.PredictionLog`: of a model whose log lies elsewhere that one, of any other the workspace's.

    Each question begins with a model or a version of one; what this class does not know is passed on alike.
    """

    def __init__(self, own: Any, ledger: Ledger, *, watched: Path, folder: Path, writing: bool) -> None:
        self._own, self._ledger, self._watched, self._folder, self._writing = own, ledger, watched, folder, writing
        self._opened: dict[str, tuple[int, ExternalLog]] = {}

    def external(self, model: str) -> "ExternalLog | None":
        """Return the model's log if it lies elsewhere. Raises ParamsError for an address that cannot be one."""
        path = source_path(self._watched, model)
        written = path.stat().st_mtime_ns if path.is_file() else None
        if written is None:
            return None
        known = self._opened.get(model)
        if known is None or known[0] != written:
            from leeway.stores.external.opening import open_log

            source = read_source(self._watched, model)
            assert source is not None
            opened = open_log(model, source, self._ledger, folder=self._folder, writing=self._writing)
            self._opened[model] = known = (written, opened)
        return known[1]

    def given_counts(self) -> dict[str, int]:
        counts: dict[str, int] = self._own.given_counts()
        return counts

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # while it is copied or unpickled
            raise AttributeError(name)
        own = getattr(self._own, name)
        return self._routed(name, own) if callable(own) else own

    def _routed(self, name: str, own: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(own)
        def ask(*given: Any, **named: Any) -> Any:
            about = given[0] if given else named.get("model", named.get("version"))
            model = about if isinstance(about, str) else getattr(about, "model", "")
            elsewhere = self.external(model)
            return own(*given, **named) if elsewhere is None else getattr(elsewhere, name)(*given, **named)

        return ask

    def close(self) -> None:
        """Give the connections of logs elsewhere back; the workspace's own are its stores'."""
        for _, opened in self._opened.values():
            opened.close()
        self._opened.clear()
