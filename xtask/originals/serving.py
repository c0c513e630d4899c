"""What the originals' programs share: where they come from, who calls, one answer after another, and processes."""

import importlib.metadata
import os
import pathlib
import platform
import signal
import socket
import sqlite3
import subprocess
import sys
import time

PATIENCE_SECONDS = 120
# Where a distribution's packages are; without them there is what was installed beside this Python.
packages = pathlib.Path(os.environ["CUTTLE_PACKAGES"]) if "CUTTLE_PACKAGES" in os.environ else None
# Whether it is its speed that is wanted, and not its answers.
measured = sys.argv[3:4] == ["measured"]


def found(folder, pattern):
    files = sorted(folder.glob(pattern))
    return files[-1] if files else sys.exit(f"there is no {folder / pattern}")


def shipped(service, name):
    """A file that a service ships for its administrators."""
    folders = [pathlib.Path(sys.prefix) / "etc" / service]
    if packages:
        folders = [packages / "usr/share" / f"{service}-common", packages / "etc" / service]
    return found(next((folder for folder in folders if (folder / name).exists()), folders[-1]), name)


def program(name):
    return packages / "usr/bin" / name if packages else pathlib.Path(sys.executable).with_name(name)


def manage(service, *arguments):
    command = [sys.executable, program(f"{service}-manage"), *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def say_ready(service, url):
    """Tells that it answers, and what it is: its name, its version and, of packages, whose they are."""
    name = f"{service.capitalize()} {importlib.metadata.version(service)}"
    if packages:
        system = platform.freedesktop_os_release()
        name += f" of {system['ID'].capitalize()} {system.get('VERSION_ID', '')}".rstrip()
    print(f"ready {url} {name}", flush=True)


def write_pipeline(shipped, to):
    """The pipeline that a service ships, with tokens by name."""
    text = shipped.read_text()
    assert "keystonemiddleware.auth_token:filter_factory" in text
    to.write_text(text.replace("keystonemiddleware.auth_token:filter_factory", "by_name:filter_factory"))


def copy(source, target):
    with sqlite3.connect(source, timeout=30) as one, sqlite3.connect(target, timeout=30) as other:
        one.backup(other)


class OneAfterAnother:
    """Takes a request when what those before it began is done, so that what it finds does not depend on luck.

    POST /fresh brings the database back to how it was at first, and empties folders.
    """

    def __init__(self, application, database, under_way, folders):
        self.application, self.database, self.under_way = application, str(database), under_way
        self.folders = folders
        self.first = self.database + ".first"
        copy(self.database, self.first)

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/fresh":
            copy(self.first, self.database)
            for file in [file for folder in self.folders for file in folder.iterdir() if file.is_file()]:
                file.unlink()
            start_response("204 No Content", [("Content-Length", "0")])
            return [b""]
        until = time.monotonic() + PATIENCE_SECONDS
        # A service's question to another comes in the middle of things.
        asked_by_service = "HTTP_X_SERVICE_TOKEN" in environ or "glanceclient" in environ.get("HTTP_USER_AGENT", "")
        waits = not asked_by_service and self.is_busy()
        while waits and self.is_busy() and time.monotonic() < until:
            time.sleep(0.02)
        if waits:
            # The status is not the last that is written.
            time.sleep(0.3)
        return self.application(environ, start_response)

    def is_busy(self):
        connection = sqlite3.connect(self.database, timeout=30)
        try:
            return any(self.count(connection, place, values) for place, values in self.under_way.items())
        finally:
            connection.close()

    @staticmethod
    def count(connection, place, values):
        table, column = place.split(".")
        marks = ", ".join("?" * len(values))
        query = f"SELECT count(*) FROM {table} WHERE NOT deleted AND {column} IN ({marks})"
        return connection.execute(query, values).fetchone()[0]


def serve(service, make, prefix, database=None, under_way=None, folders=(), processes_max=None):
    """Serves what `make` makes, and ends with this program.

    To be recorded, in one process: with a database that shows what is under way by values of these columns, one request
    waits for what another began. To be measured (the third argument is `measured`), in a process for each processor,
    if more than one can be, and nothing waits.
    """
    processes = min(processes_max or 64, os.cpu_count() or 1) if measured else 1
    listener = socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=128)
    children = []
    for _ in range(processes - 1):
        child = os.fork()
        if child == 0:
            children = []
            break
        children.append(child)
    else:
        def end(*_):
            for child in children:
                os.kill(child, signal.SIGKILL)
            os._exit(0)

        signal.signal(signal.SIGTERM, end)
        application = make()
        if database and not measured:
            application = OneAfterAnother(application, database, under_way, folders)
        say_ready(service, f"http://127.0.0.1:{listener.getsockname()[1]}")
        return run(application, listener, prefix)
    return run(make(), listener, prefix)


def run(application, listener, prefix):
    if packages:
        return run_alone(application, listener, prefix)
    import waitress

    waitress.serve(application, sockets=[listener], threads=8, url_prefix=prefix)


def run_alone(application, listener, prefix):
    """The same with what every Python has, for a distribution's services do not bring waitress along."""
    # Now, for eventlet may have changed what these are made of.
    from socketserver import ThreadingMixIn
    from wsgiref import simple_server

    class Requests(simple_server.WSGIRequestHandler):
        def get_environ(self):
            environ = super().get_environ()
            if self.headers["content-type"] is None:
                del environ["CONTENT_TYPE"]
            if f"{environ['PATH_INFO']}/".startswith(f"{prefix}/"):
                environ["PATH_INFO"] = environ["PATH_INFO"][len(prefix):]
            environ["SCRIPT_NAME"] = prefix
            return environ

        def log_message(self, *_):
            pass

    class Threads(ThreadingMixIn, simple_server.WSGIServer):
        daemon_threads = True

    listener = socket.socket(fileno=listener.detach())
    server = Threads(listener.getsockname(), Requests, bind_and_activate=False)
    server.server_name, server.server_port = listener.getsockname()
    server.setup_environ()
    server.set_app(application)
    while True:
        server.process_request(*listener.accept())
