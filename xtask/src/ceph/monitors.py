"""Talks to the monitors: `send JSON...` one command after the other, `wait SECONDS` until all is well."""
import json, sys, time
import rados

conf, what, arguments = sys.argv[1], sys.argv[2], sys.argv[3:]
cluster = rados.Rados(conffile=conf, name="client.admin")
cluster.connect(timeout=30)


def send(command):
    data = command.pop("_input", "")
    code, out, said = cluster.mon_command(json.dumps(command), data.encode(), timeout=60)
    if code < 0:
        raise SystemExit("%s: %s (%d)" % (command, said, code))
    return out.decode()


if what == "send":
    for line in arguments:
        print(send(json.loads(line)).strip(), flush=True)
else:
    end = time.time() + float(arguments[0])
    while True:
        status = json.loads(send({"prefix": "status", "format": "json"}))
        groups, osds = status["pgmap"], status["osdmap"]
        clean = sum(s["count"] for s in groups["pgs_by_state"] if s["state_name"].startswith("active+clean"))
        moving = groups.get("misplaced_objects") or groups.get("degraded_objects")
        whole = clean == groups["num_pgs"] and not moving and osds["num_up_osds"] == osds["num_osds"]
        if whole and groups["num_pgs"] and status["health"]["status"] == "HEALTH_OK":
            break
        if time.time() > end:
            raise SystemExit("not well in time: %s" % json.dumps({"health": status["health"], "groups": groups, "osds": osds}))
        time.sleep(0.1)
cluster.shutdown()
