"""The real `openstack` command, many times in one process.

Each line of standard input is a JSON list of arguments; each is run by `openstackclient.shell.main`, which is all that
the `openstack` program does, in a fork of its own, so that no command sees what another has loaded or remembered. The
answer is a line of JSON: the exit code, standard output and standard error. Importing the client once saves a second
of CPU time per command, and importing what one command needed before the next another quarter. Each has a terminal at which nobody types as its standard input: `image create` would upload
what came from anything else.
"""

import contextlib
import importlib
import json
import os
import sys
import tempfile

from openstackclient import shell

_, TERMINAL = os.openpty()


def run(arguments):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile("w+") as needed:
        child = os.fork()
        if child == 0:
            os.dup2(TERMINAL, 0)
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            try:
                code = shell.main(arguments)
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
            except BaseException as error:
                print(repr(error), file=sys.stderr)
                code = 1
            sys.stdout.flush()
            sys.stderr.flush()
            needed.write("\n".join(sys.modules))
            needed.flush()
            os._exit(code if isinstance(code, int) else 0)  # some commands give back what they print
        _, status = os.waitpid(child, 0)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
        needed.seek(0)
        for name in set(needed.read().split()) - set(sys.modules):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    return {"code": os.waitstatus_to_exitcode(status), "stdout": texts[0], "stderr": texts[1]}


for line in sys.stdin:
    print(json.dumps(run(json.loads(line))), flush=True)
