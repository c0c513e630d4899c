"""A fresh Glance, the original of Cuttle's image service, that lives as long as this program.

    serve_glance.py FOLDER PORT [recorded | measured]

Everything it makes is in FOLDER: an SQLite database, two stores of files, configuration and log. It listens on
loopback, below /image as Cuttle does, and prints `ready URL` once it answers. Who calls is in the token (by_name.py).
"""

import os
import pathlib
import subprocess
import sys

import serving

folder = pathlib.Path(sys.argv[1]).resolve()
shipped = pathlib.Path(sys.prefix) / "etc/glance"

CONFIGURATION = f"""
[DEFAULT]
log_file = {folder}/glance.log
enabled_backends = cuttle:file, second:file
node_staging_uri = file://{folder}/staging
enabled_import_methods = [glance-direct,web-download,copy-image]
metadata_source_path = {shipped}/metadefs
worker_self_reference_url = http://127.0.0.1
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
[import_filtering_opts]
allowed_ports = [80,443]
[paste_deploy]
flavor = keystone
config_file = {folder}/paste.ini
"""


def set_up():
    for name in ["first", "second", "staging", "tasks"]:
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "glance-api.conf").write_text(CONFIGURATION)
    serving.write_pipeline(shipped / "glance-api-paste.ini", folder / "paste.ini")
    program = pathlib.Path(sys.executable).with_name("glance-manage")
    command = [program, "--config-file", folder / "glance-api.conf", "db_sync"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def application():
    os.environ["OS_GLANCE_CONFIG_DIR"] = str(folder)
    sys.argv = ["glance-api"]
    from glance.common import wsgi_app

    return wsgi_app.init_app()


UNDER_WAY = {"images": ["saving", "importing", "deleting"], "tasks": ["pending", "processing"]}

set_up()
serving.serve(application, "/image", folder / "glance.db", UNDER_WAY)
