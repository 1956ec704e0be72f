"""Signs what Tencent Cloud is asked: TC3-HMAC-SHA256 over method, host, content type and body."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime

from yarl import URL

from collectors.polls import Request
from collectors.trtc.calls import VERSION, action_of
from rules.span import SECOND, Instant

ALGORITHM = "TC3-HMAC-SHA256"
CONTENT_TYPE = "application/json; charset=utf-8"
_SIGNED = "content-type;host"


class Tc3:
    """A Tencent Cloud key. Source: Tencent Cloud, *Signature v3*, read 2026-11; its example is a test."""

    def __init__(self, secret_id: str, secret_key: str, region: str, service: str = "trtc") -> None:
        self._secret_id = secret_id
        self._secret_key = secret_key
        self._region = region
        self._service = service

    async def headers(self, request: Request, url: URL, now: Instant) -> Mapping[str, str]:
        """Sign this one body, for the five minutes in which the signature is believed."""
        host = url.host if url.is_default_port() else f"{url.host}:{url.port}"
        return {
            "Authorization": self.signed(host or "", request.body, now // SECOND),
            "Content-Type": CONTENT_TYPE,
            "X-TC-Action": action_of(request),
            "X-TC-Region": self._region,
            "X-TC-Timestamp": str(now // SECOND),
            "X-TC-Version": VERSION,
        }

    def is_renewed(self, headers: Mapping[str, str]) -> bool:  # noqa: ARG002 - the protocol's
        """Have no other key."""
        return False

    def signed(self, host: str, body: bytes, at_s: int) -> str:
        """Write the Authorization header of a POST of this body to this host's root at this second."""
        date = datetime.fromtimestamp(at_s, UTC).date().isoformat()
        scope = f"{date}/{self._service}/tc3_request"
        canonical = f"POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{host}\n\n{_SIGNED}\n{_sha256(body)}"
        to_sign = f"{ALGORITHM}\n{at_s}\n{scope}\n{_sha256(canonical.encode())}"
        key = f"TC3{self._secret_key}".encode()
        for part in (date, self._service, "tc3_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        return f"{ALGORITHM} Credential={self._secret_id}/{scope}, SignedHeaders={_SIGNED}, Signature={signature}"


def _sha256(given: bytes) -> str:
    return hashlib.sha256(given).hexdigest()
