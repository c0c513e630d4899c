"""A fresh Cinder API, the original of Cuttle's block-storage service, that lives as long as this program.

    serve_cinder_alone.py FOLDER PORT

Everything it makes is in FOLDER. It listens on loopback, below /volume as Cuttle does, and prints `ready URL` once it
answers. POST /fresh makes it as it was at first. Instead of Keystone it believes tokens that name their callers, as Cuttle's tests do: `member@alpha`. Nobody works
beside it, so that volumes stay in `creating`; the database has a scheduler and a backend that were heard of just now.
"""

import os
import pathlib
import signal
import socket
import sqlite3
import subprocess
import sys

folder, port = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2])
configuration = folder / "cinder.conf"
ROLES = ["reader", "member", "manager", "admin"]

CONFIGURATION = f"""
[DEFAULT]
log_file = {folder}/cinder.log
state_path = {folder}
api_paste_config = {folder}/api-paste.ini
resource_query_filters_file = {sys.prefix}/etc/cinder/resource_filters.json
transport_url = fake:/
auth_strategy = keystone
default_volume_type = default
service_down_time = 86400
host = cuttle
[database]
connection = sqlite:///{folder}/cinder.db
[oslo_concurrency]
lock_path = {folder}
[coordination]
backend_url = file://{folder}
[oslo_policy]
enforce_scope = false
enforce_new_defaults = true
"""


class ByName:
    """Lets in whoever has a token that names a caller."""

    def __init__(self, app):
        self.app = app

    @classmethod
    def factory(cls, _configuration, **_local):
        return cls

    def __call__(self, environ, start_response):
        token = environ.get("HTTP_X_AUTH_TOKEN", "")
        role, _, project = token.partition("@")
        if role not in ROLES:
            start_response("401 Unauthorized", [("Content-Length", "0")])
            return [b""]
        environ["HTTP_X_USER_ID"] = token
        environ["HTTP_X_USER_DOMAIN_ID"] = environ["HTTP_X_PROJECT_DOMAIN_ID"] = "default"
        environ["HTTP_X_PROJECT_ID"] = environ["HTTP_X_PROJECT_NAME"] = project
        environ["HTTP_X_ROLES"] = ",".join(ROLES[: ROLES.index(role) + 1])
        environ["HTTP_X_SERVICE_CATALOG"] = "[]"
        return self.app(environ, start_response)


def set_up():
    folder.mkdir(parents=True, exist_ok=True)
    configuration.write_text(CONFIGURATION)
    paste = pathlib.Path(sys.prefix, "etc/cinder/api-paste.ini").read_text()
    ours = "serve_cinder_alone:ByName.factory"
    (folder / "api-paste.ini").write_text(paste.replace("keystonemiddleware.auth_token:filter_factory", ours))
    manage = pathlib.Path(sys.executable).with_name("cinder-manage")
    command = [manage, "--config-file", configuration, "db", "sync"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # By this name the pipeline finds what is above.
    sys.modules["serve_cinder_alone"] = sys.modules["__main__"]
    sys.argv = ["cinder-api", "--config-file", str(configuration)]


def application():
    from cinder.wsgi import wsgi

    app = wsgi.initialize_application()

    from cinder import context, objects
    from cinder.api import api_utils
    from cinder.volume import volume_types

    admin = context.get_admin_context()
    volume_types.create(admin, "default", description="Default volume type")
    fresh = volume_types.get_volume_type_by_name(admin, "__DEFAULT__")
    volume_types.destroy(admin, fresh["id"])
    for binary, host in [("cinder-scheduler", "cuttle"), ("cinder-volume", "one@file")]:
        service = objects.Service(
            context=admin, host=host, binary=binary, topic=binary, report_count=1, availability_zone="nova",
            object_current_version="1.38", rpc_current_version="3.16",
            replication_status="disabled",
        )
        service.create()
        service.report_count += 1
        service.save()
    # Projects are whatever the tests call so.
    api_utils.get_project = lambda _context, id, *_args, **_more: api_utils.GenericProjectInfo(id, "v3")
    return app


def with_fresh(app):
    """The same with a way back to the beginning."""
    database, kept = str(folder / "cinder.db"), str(folder / "fresh.db")

    def copy(source, target):
        with sqlite3.connect(source) as one, sqlite3.connect(target) as other:
            one.backup(other)

    copy(database, kept)

    def answer(environ, start_response):
        if environ["PATH_INFO"] != "/fresh":
            return app(environ, start_response)
        copy(kept, database)
        start_response("204 No Content", [("Content-Length", "0")])
        return [b""]

    return answer


def serve():
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    app = with_fresh(application())
    import waitress

    print(f"ready http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    waitress.serve(app, sockets=[listener], threads=8, url_prefix="/volume")


if __name__ == "__main__":
    set_up()
    serve()
