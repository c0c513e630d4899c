"""A fresh Glance, the original of Cuttle's image service, that lives as long as this program.

    serve_glance.py FOLDER PORT [recorded | measured]

Everything it makes is in FOLDER: an SQLite database, two stores of files, configuration and log. It listens on
loopback, below /image as Cuttle does, and prints `ready URL NAME` once it answers. Who calls is in the token
(by_name.py). To be measured, a distribution's (packaged.py) is the program that its packages start, at a port that is
free.
"""

import os
import pathlib
import sys

import packaged
import serving

folder = pathlib.Path(sys.argv[1]).resolve()

CONFIGURATION = f"""
[DEFAULT]
log_file = {folder}/glance.log
enabled_backends = cuttle:file, second:file
node_staging_uri = file://{folder}/staging
enabled_import_methods = [glance-direct,web-download,copy-image]
metadata_source_path = {serving.shipped("glance", "metadefs")}
worker_self_reference_url = http://127.0.0.1
# The newest has these rules by itself.
enforce_secure_rbac = true
[database]
connection = sqlite:///{folder}/glance.db
[glance_store]
default_backend = cuttle
[cuttle]
filesystem_store_datadir = {folder}/first
[second]
filesystem_store_datadir = {folder}/second
[os_glance_staging_store]
filesystem_store_datadir = {folder}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {folder}/tasks
[oslo_policy]
enforce_scope = true
enforce_new_defaults = true
[import_filtering_opts]
allowed_ports = [80,443]
[paste_deploy]
flavor = keystone
config_file = {folder}/glance-api-paste.ini
"""


def set_up():
    for name in ["first", "second", "staging", "tasks"]:
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "glance-api.conf").write_text(CONFIGURATION)
    serving.write_pipeline(serving.shipped("glance", "glance-api-paste.ini"), folder / "glance-api-paste.ini")
    serving.manage("glance", "--config-file", folder / "glance-api.conf", "db_sync")


def application():
    os.environ["OS_GLANCE_CONFIG_DIR"] = str(folder)
    sys.argv = ["glance-api"]
    from glance.common import wsgi_app

    return wsgi_app.init_app()


def serve_packaged():
    port, programs = serving.free_port(), packaged.Programs(folder)
    url = f"http://127.0.0.1:{port}"
    if packaged.is_served_by_uwsgi("glance-api"):
        command = packaged.uwsgi("glance", "glance-api", "glance.common.wsgi_app:init_app()", folder, port, [])
    else:
        own = folder / "listener.conf"
        own.write_text(f"[DEFAULT]\nbind_host = 127.0.0.1\nbind_port = {port}\nworkers = {os.cpu_count() or 1}\n")
        command = [sys.executable, serving.program("glance-api"), "--config-file", folder / "glance-api.conf"]
        command += ["--config-file", own]
    programs.start("glance-api", command, OS_GLANCE_CONFIG_DIR=str(folder))
    programs.wait_for_answer("glance-api", url + "/v2/images", b'"images"')
    packaged.serve("glance", url)


UNDER_WAY = {
    "images.status": ["saving", "importing", "deleting"],
    "tasks.status": ["pending", "processing"],
    # A task that has succeeded has still to unlock its image.
    "image_properties.name": ["os_glance_import_task"],
}

set_up()
if serving.packages and serving.measured:
    serve_packaged()
else:
    serving.serve("glance", application, "/image", folder / "glance.db", UNDER_WAY)
