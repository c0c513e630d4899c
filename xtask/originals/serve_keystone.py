"""A fresh Keystone, the original of Cuttle's identity service, that lives as long as this program.

    serve_keystone.py FOLDER PORT [recorded | measured]

Everything it makes is in FOLDER: an SQLite database, Fernet keys, configuration and log. It listens on loopback, below
/identity as Cuttle does, and prints `ready URL` once it answers. Its administrator is `admin`, password `admin-secret`.
Passwords cost next to nothing, because it is its answers, and its work apart from hashing, that are compared.
"""

import os
import pathlib
import sys

import serving

folder = pathlib.Path(sys.argv[1]).resolve()
configuration = folder / "keystone.conf"

CONFIGURATION = f"""
[DEFAULT]
log_file = {folder}/keystone.log
[database]
connection = sqlite:///{folder}/keystone.db
[fernet_tokens]
key_repository = {folder}/tokens
[fernet_receipts]
key_repository = {folder}/receipts
[credential]
key_repository = {folder}/credentials
[auth]
methods = password,token,application_credential,totp,mapped,oauth1,ec2credential
[identity]
domain_configurations_from_database = true
password_hash_algorithm = pbkdf2_sha512
password_hash_rounds = 1
[federation]
assertion_prefix = FED_
remote_id_attribute = FED_ISS
[oslo_policy]
enforce_scope = true
enforce_new_defaults = true
"""


def manage(*arguments):
    serving.manage("keystone", "--config-file", configuration, *arguments)


def set_up():
    folder.mkdir(parents=True, exist_ok=True)
    configuration.write_text(CONFIGURATION)
    for keys in ["tokens", "receipts", "credentials"]:
        (folder / keys).mkdir(mode=0o700)
    manage("db_sync")
    for kind in ["fernet", "receipt", "credential"]:
        manage(kind + "_setup", "--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid()))
    manage("bootstrap", "--bootstrap-password", "admin-secret", "--bootstrap-region-id", "RegionOne",
           "--bootstrap-public-url", "http://cloud.test/identity/v3")


def application():
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = str(configuration)
    sys.argv = ["keystone-wsgi-public"]
    from keystone.server.wsgi import initialize_public_application

    return initialize_public_application()


set_up()
serving.serve("keystone", application, "/identity")
