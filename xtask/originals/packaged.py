"""Services as a distribution's packages run them: by their own programs, started as their init scripts start them.

The packages are unpacked below CUTTLE_PACKAGES, or installed where that is `/`.
"""

import atexit
import contextlib
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import serving

READY_SECONDS = 100


class Programs:
    """The programs that make up a service; they end with this one."""

    def __init__(self, folder):
        self.folder, self.started = folder, {}
        atexit.register(self.end)
        for number in [signal.SIGTERM, signal.SIGINT]:
            signal.signal(number, lambda *_: sys.exit(0))

    def start(self, name, command, **variables):
        # What is beside this file is what the pipelines and the configuration name.
        places = [pathlib.Path(__file__).parent, os.environ.get("PYTHONPATH", "")]
        variables["PYTHONPATH"] = ":".join(str(place) for place in places if place)
        with open(self.folder / f"{name}.said", "wb") as said:
            # In a session of its own, so that what it starts can be ended with it.
            self.started[name] = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                env=os.environ | variables, start_new_session=True)

    def end(self):
        for program in self.started.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)

    def wait_for(self, awaited, is_ready):
        until = time.monotonic() + READY_SECONDS
        while not is_ready():
            ended = [name for name, program in self.started.items() if program.poll() is not None]
            if ended or time.monotonic() > until:
                name = ended[0] if ended else awaited
                said = (self.folder / f"{name}.said").read_text(errors="replace").splitlines()
                sys.exit(f"{name} is not ready: {said[-1] if said else 'it says nothing'}")
            time.sleep(0.2)

    def wait_for_answer(self, awaited, url, sign):
        """Waits until an API answers with `sign` in it."""
        request = urllib.request.Request(url, headers={"X-Auth-Token": "admin@admin"})

        def is_ready():
            # A question that a service behind the API was not there to hear is not answered for a minute: ask again.
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    return sign in answer.read()
            except (OSError, urllib.error.URLError):
                return False

        self.wait_for(awaited, is_ready)


def serve(service, url):
    """Says that it answers, and stays."""
    serving.say_ready(service, url)
    while True:
        signal.pause()


def is_served_by_uwsgi(name):
    """Whether its init script hands it to uWSGI."""
    script = (serving.packages / "etc/init.d" / name).read_text()
    return any(line.startswith("UWSGI_INI_PATH=") for line in script.splitlines())


def uwsgi(service, name, module, folder, port, arguments):
    """The command that serves an API by uWSGI: with what the packages configure, but for where things are, and in a
    process for each processor."""
    plugin = serving.found(serving.packages / "usr/lib/uwsgi/plugins", "python3*_plugin.so")
    own = {
        "plugins": plugin, "module": module, "chdir": folder, "processes": os.cpu_count() or 1,
        "http-socket": f"127.0.0.1:{port}", "pyargv": " ".join(map(str, arguments)),
    }
    left_out = ["logto", "uid", "gid", "wsgi-file", *own]
    shipped = (serving.packages / "etc" / service / f"{name}-uwsgi.ini").read_text().splitlines()
    lines = [line for line in shipped if line.split("=")[0].strip() not in left_out]
    lines += [f"{key} = {value}" for key, value in own.items()]
    ini = folder / f"{name}-uwsgi.ini"
    ini.write_text("\n".join(lines) + "\n")
    return [serving.packages / "usr/bin/uwsgi-core", "--ini", ini]


def broker(programs, folder):
    """Starts RabbitMQ, and returns the URL by which services find it."""
    erlang = serving.packages / "usr/lib/erlang"
    machine = serving.found(erlang, "erts-*/bin")
    scripts = serving.found(serving.packages / "usr/lib/rabbitmq/lib", "rabbitmq_server-*/sbin")
    home = folder / "rabbitmq"
    home.mkdir()
    # Erlang's own script knows one place only.
    start = home / "erl"
    start.write_text('#!/bin/sh\nexec "$BINDIR/erlexec" "$@"\n')
    start.chmod(0o755)
    port, password = serving.free_port(), secrets.token_hex(12)
    (home / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{port}\ndefault_user = cuttle\ndefault_pass = {password}\n")
    (home / "plugins").write_text("")
    variables = {
        "HOME": str(home), "PATH": f"{home}:{erlang}/bin:{os.environ['PATH']}",
        "ROOTDIR": str(erlang), "BINDIR": str(machine), "EMU": "beam", "PROGNAME": "erl",
        "ERL_EPMD_PORT": str(serving.free_port()), "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": "cuttle@localhost", "RABBITMQ_DIST_PORT": str(serving.free_port()),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_CONF_ENV_FILE": "/dev/null", "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(home / "data"), "RABBITMQ_LOG_BASE": str(home / "log"),
    }
    # Started here, for the one that RabbitMQ starts would outlive it.
    programs.start("epmd", [machine / "epmd"], **variables)
    programs.start("rabbitmq", [scripts / "rabbitmq-server"], **variables)
    said = folder / "rabbitmq.said"
    programs.wait_for("rabbitmq", lambda: "completed with" in said.read_text(errors="replace"))
    return f"rabbit://cuttle:{password}@127.0.0.1:{port}/"
