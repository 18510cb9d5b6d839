"""What the error codes of object stores mean.

Source: Amazon S3's list of error codes. An answer without a body, as to HEAD, has its HTTP status
for a code.
"""

from __future__ import annotations

from typing import Final

NO_BUCKET: Final = {"NoSuchBucket"}
MISSING: Final = {"404", "NoSuchKey", "NotFound"} | NO_BUCKET
FORBIDDEN: Final = {"401", "403", "AccessDenied", "AllAccessDisabled", "Forbidden"}
CREDENTIALS: Final = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}
CLOCK: Final = {"RequestTimeTooSkewed"}
CHANGED: Final = {"412", "PreconditionFailed"}
SHORTER: Final = {"416", "InvalidRange"}

SLOW_DOWN: Final = {"503", "SlowDown", "ServiceUnavailable", "TooManyRequests", "429"}
#: The store's own trouble, which passes.
TROUBLE: Final = {
    *("500", "InternalError", "502", "BadGateway", "504", "GatewayTimeout"),
    *("408", "RequestTimeout"),
}

CHECK_CLOCK: Final = (
    "this machine's clock and the object store's differ by too much (RequestTimeTooSkewed). "
    "Check this machine's clock"
)
