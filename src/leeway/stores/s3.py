"""S3, and what speaks as S3 does: opened with keys, region and endpoint from the usual AWS_* variables."""

import os
from typing import Any

CONNECT_SECONDS, REQUEST_SECONDS = 10, 60  # until a connection must be made; until a request must be answered


def open_s3(bucket: str) -> Any:
    """Return pyarrow's file system of the bucket's region; it reads the credentials by itself. Raises OSError."""
    from pyarrow import fs

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region:
        region = "us-east-1" if endpoint else fs.resolve_s3_region(bucket)
    return fs.S3FileSystem(
        endpoint_override=endpoint, region=region, connect_timeout=CONNECT_SECONDS, request_timeout=REQUEST_SECONDS
    )
