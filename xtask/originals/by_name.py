"""Keystone's middleware with tokens that say who calls, as those of our tests in process do.

`member@alpha` has role member, and what it implies, in project `alpha`. All but where tokens come from is the
middleware's own, so a service behind it sees roles and projects as it does behind a Keystone.
"""

import datetime

from keystonemiddleware import auth_token
from keystonemiddleware.auth_token import _exceptions

ORDER = ["reader", "member", "manager", "admin"]


class ByName(auth_token.AuthProtocol):
    """Believes every token that names a caller."""

    def fetch_token(self, token, **_):
        role, at, project = token.partition("@")
        if not at or role not in ORDER:
            raise _exceptions.InvalidToken(token)
        domain = {"id": "default", "name": "Default"}
        now = datetime.datetime.now(datetime.timezone.utc)
        until = now + datetime.timedelta(hours=1)
        roles = [{"id": name, "name": name} for name in ORDER[:ORDER.index(role) + 1]]
        return {"token": {
            "methods": ["password"],
            "user": {"id": token, "name": role, "domain": domain},
            "project": {"id": project, "name": project, "domain": domain},
            "roles": roles,
            "audit_ids": [token],
            "issued_at": now.strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
            "expires_at": until.strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
        }}


def filter_factory(global_conf, **local_conf):
    conf = {**global_conf, **local_conf, "www_authenticate_uri": "http://cloud.test/identity/v3"}
    return lambda application: ByName(application, conf)
