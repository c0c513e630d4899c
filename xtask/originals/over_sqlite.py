"""Cinder over SQLite, however it is run: `over_sqlite.py PROGRAM ARGUMENT...` is a program of its packages, and
`over_sqlite:api()` is what uWSGI serves."""

import importlib
import sys


def write_one_after_another():
    """A transaction of SQLite's that has begun to read cannot always write, and Cinder has several at once."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    @event.listens_for(Engine, "before_cursor_execute", retval=True)
    def executes(_connection, _cursor, statement, parameters, _context, _many):
        return "BEGIN IMMEDIATE" if statement == "BEGIN" else statement, parameters


def api():
    from cinder.wsgi import wsgi

    write_one_after_another()
    return wsgi.initialize_application()


if __name__ == "__main__":
    # The program comes first: it has eventlet change Python before anything else is there.
    program = importlib.import_module("cinder.cmd." + sys.argv.pop(1))
    write_one_after_another()
    program.main()
