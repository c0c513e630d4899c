"""A fresh Cinder, the original of Cuttle's block storage service, that lives as long as this program.

    serve_cinder.py FOLDER PORT [recorded | measured [GLANCE]]

API, scheduler, volume and backup service are one process, over oslo.messaging's transport in memory. Everything it
makes is in FOLDER: an SQLite database, volumes as sparse files, backups, configuration and log. It listens on loopback,
below /volume as Cuttle does, and prints `ready URL NAME` once it answers. Who calls is in the token (by_name.py). GLANCE
is the address of the image service.

To be measured, a distribution's (packaged.py) is what its packages start: API, scheduler and volume service are programs,
over RabbitMQ, and projects have no quotas.
"""

import os
import pathlib
import sys

import over_sqlite
import packaged
import serving

folder = pathlib.Path(sys.argv[1]).resolve()
glance = sys.argv[4] if len(sys.argv) > 4 else "http://127.0.0.1:9"
configuration = folder / "cinder.conf"

CONFIGURATION = f"""
[DEFAULT]
log_file = {folder}/cinder.log
state_path = {folder}
transport_url = fake://
auth_strategy = keystone
api_paste_config = {folder}/paste.ini
resource_query_filters_file = {serving.shipped("cinder", "resource_filters.json")}
enabled_backends = file
host = cuttle
service_down_time = 86400
default_volume_type = default
glance_api_servers = {glance}/image
backup_driver = cinder.backup.drivers.posix.PosixBackupDriver
backup_posix_path = {folder}/backups
backup_use_same_host = true
backup_workers = 1
backup_compression_algorithm = none
backup_sha_block_size_bytes = 1048576
backup_file_size = 104857600
image_conversion_dir = {folder}/conversion
scheduler_driver_init_wait_time = 1
migration_create_volume_timeout_secs = 10
[database]
connection = sqlite:///{folder}/cinder.db
[coordination]
backend_url = file://{folder}/locks
[oslo_concurrency]
lock_path = {folder}/locks
[key_manager]
backend = castellan.key_manager.not_implemented_key_manager.NotImplementedKeyManager
[oslo_policy]
enforce_scope = true
enforce_new_defaults = true
[file]
volume_driver = files_driver.Files
volume_backend_name = file
"""

UNDER_WAY = {
    "volumes.status": ["creating", "deleting", "extending", "retyping", "backing-up", "restoring-backup", "downloading",
                "uploading", "reverting", "managing", "unmanaging", "detaching"],
    "snapshots.status": ["creating", "deleting", "unmanaging", "backing-up"],
    "backups.status": ["creating", "deleting", "restoring"],
    "groups.status": ["creating", "deleting", "updating"],
    "group_snapshots.status": ["creating", "deleting"],
}


def set_up(*more):
    for name in ["backups", "conversion", "locks", "volumes"]:
        (folder / name).mkdir(parents=True, exist_ok=True)
    configuration.write_text(CONFIGURATION)
    serving.write_pipeline(serving.shipped("cinder", "api-paste.ini"), folder / "paste.ini")
    serving.manage("cinder", "--config-file", configuration, *more, "db", "sync")


def believe_in_projects():
    """There is no Keystone to ask whether a project exists: those of the tests do."""
    from keystoneauth1.exceptions import http

    from cinder.api import api_utils

    def project(_context, project_id):
        if project_id not in ("admin", "alpha", "beta"):
            raise http.NotFound()
        return api_utils.GenericProjectInfo(project_id, "3.0", domain_id="default", name=project_id)

    api_utils.get_project = project


def know_no_servers():
    """There is no Nova either: a server that an attachment names is not there."""
    from cinder.compute import nova

    def missing(_self, _context, server_id, _attachment_id):
        raise nova.API.NotFound(404, server_id)

    nova.API.get_server_volume = missing


def be_no_machine():
    """What NVMe calls this machine is not asked, and not written below /etc; an older os-brick fails without a program that
    tells it."""
    from os_brick.privileged import nvmeof

    nvmeof.get_system_uuid = nvmeof.create_hostnqn = nvmeof.create_hostid = lambda *_: ""


def call_the_default_type_default():
    from cinder import context
    from cinder.volume import volume_types

    admin = context.get_admin_context()
    volume_types.create(admin, "default", description="Default volume type")
    volume_types.destroy(admin, volume_types.get_volume_type_by_name(admin, "__DEFAULT__")["id"])


def change_python():
    """Services in one process work at once: on threads, or before Cinder could do so, on eventlet's."""
    os.environ["OS_CINDER_DISABLE_EVENTLET_PATCHING"] = "true"
    try:
        from cinder import monkey_patch

        monkey_patch.patch()
    except ImportError:
        import eventlet

        eventlet.monkey_patch()


def application():
    change_python()
    sys.argv = ["cinder", "--config-file", str(configuration)]
    from cinder.wsgi import wsgi

    over_sqlite.write_one_after_another()
    made = wsgi.initialize_application()
    import os_brick
    from oslo_config import cfg
    from os_brick import privileged as brick_privileged
    from oslo_privsep import priv_context

    from cinder import privsep, service
    from cinder.cmd import backup  # noqa: F401, for its options

    os_brick.setup(cfg.CONF)
    for privilege in [brick_privileged.default, privsep.sys_admin_pctxt]:
        # What needs a privilege is done here, without a helper of sudo's.
        assert isinstance(privilege, priv_context.PrivContext)
        privilege.set_client_mode(False)
    believe_in_projects()
    know_no_servers()
    be_no_machine()
    call_the_default_type_default()
    services = [
        service.Service.create(binary="cinder-scheduler"),
        service.Service.create(binary="cinder-volume", host="one@file", service_name="file", coordination=True),
        service.Service.create(binary="cinder-backup", host="one", coordination=True),
    ]
    for one in services:
        one.start()
    return made


def serve_packaged():
    port, programs, own = serving.free_port(), packaged.Programs(folder), folder / "packaged.conf"
    url = f"http://127.0.0.1:{port}"
    pools = url + "/v3/scheduler-stats/get_pools"
    transport = packaged.broker(programs, folder)
    own.write_text(f"[DEFAULT]\ntransport_url = {transport}\ndefault_volume_type = __DEFAULT__\n"
                   "quota_volumes = -1\nquota_gigabytes = -1\n")
    # The quotas go into the database when that is made.
    set_up("--config-file", own)
    arguments = ["--config-file", configuration, "--config-file", own]
    run = [sys.executable, over_sqlite.__file__]
    programs.start("cinder-scheduler", [*run, "scheduler", *arguments])
    programs.start("cinder-api", packaged.uwsgi("cinder", "cinder-api", "over_sqlite:api()", folder, port, arguments))
    # A backend tells of itself as it starts, and then not for two minutes: the scheduler is to hear it.
    programs.wait_for_answer("cinder-scheduler", pools, b'"pools"')
    programs.start("cinder-volume", [*run, "volume", *arguments])
    programs.wait_for_answer("cinder-volume", pools, b"cuttle@file")
    packaged.serve("cinder", url)


if serving.packages and serving.measured:
    serve_packaged()
else:
    set_up()
    under_way = (folder / "cinder.db", UNDER_WAY, [folder / "volumes"])
    serving.serve("cinder", application, "/volume", *under_way, processes_max=1)
