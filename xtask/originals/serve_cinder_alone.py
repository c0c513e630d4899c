"""A fresh Cinder API, the original of Cuttle's block-storage service, that lives as long as this program.

    serve_cinder_alone.py FOLDER PORT [recorded]

Everything it makes is in FOLDER. It listens on loopback, below /volume as Cuttle does, and prints `ready URL NAME` once
it answers. Who calls is in the token (by_name.py). Nobody works beside it, so that volumes stay in `creating`; the
database has a scheduler and a backend that were heard of just now.
"""

import pathlib
import sys

import serving

folder = pathlib.Path(sys.argv[1]).resolve()
configuration = folder / "cinder.conf"

CONFIGURATION = f"""
[DEFAULT]
log_file = {folder}/cinder.log
state_path = {folder}
api_paste_config = {folder}/api-paste.ini
resource_query_filters_file = {serving.shipped("cinder", "resource_filters.json")}
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


def set_up():
    folder.mkdir(parents=True, exist_ok=True)
    configuration.write_text(CONFIGURATION)
    serving.write_pipeline(serving.shipped("cinder", "api-paste.ini"), folder / "api-paste.ini")
    serving.manage("cinder", "--config-file", configuration, "db", "sync")


def application():
    sys.argv[1:] = ["--config-file", str(configuration)]
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


set_up()
serving.serve("cinder", application, "/volume", folder / "cinder.db", {})
