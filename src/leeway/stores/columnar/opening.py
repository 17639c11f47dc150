"""Opens the log in columns, which lies beside the ledger's SQLite file: `leeway-log` beside `leeway.db`."""

from pathlib import Path

from leeway.stores.columnar.log import ColumnarLog
from leeway.stores.columnar.taking_over import take_over
from leeway.stores.ledger import SqlLedger


def open_columns(ledger: SqlLedger, *, small: int, reading: bool, wait: float) -> ColumnarLog:
    """Return the log; unless one only reads, rows that the database held before are taken over first.

    `small`: rows of a source below which it goes into today's segment; `wait`: seconds for a lock.
    """
    path = Path(str(ledger.database.engine.url.database))
    folder = path.with_name(f"{path.stem}-log")
    log = ColumnarLog(ledger.database, folder, secret=ledger.secret, small=small, lock_timeout_seconds=wait)
    if not reading:
        take_over(log.rolling, path)
    return log
