"""A program that behaves as an engine does on the command line, well or badly; tests put it on the path."""

import sys
from pathlib import Path

PROGRAM = '''#!{python}
"""Serves nothing: answers /health and /v1/models on --port, and behaves as its name's file says."""
import http.server, json, os, pathlib, signal, subprocess, sys, time

how = json.loads(pathlib.Path(__file__).with_suffix(".json").read_text())
arguments = sys.argv[1:]
print("arguments:", json.dumps(arguments), flush=True)
print("offline:", os.environ.get("HF_HUB_OFFLINE"), flush=True)
if how.get("dies"):
    print("loading weights", flush=True)
    print("CUDA out of memory", flush=True)
    sys.exit(how["dies"])
if how.get("stubborn"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: (print("leaving in order", flush=True), sys.exit(0)))
if how.get("worker"):  # in a session of its own, as engines' workers may be
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    worker = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    pathlib.Path(__file__).with_suffix(".worker").write_text(str(worker.pid))
while how.get("deaf"):
    time.sleep(0.05)
ready = time.monotonic() + how.get("late_s", 0)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ok = time.monotonic() >= ready
        body = json.dumps({{"object": "list", "data": [{{"id": how.get("serves", "m")}}]}}).encode()
        self.send_response(200 if ok else 503)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


port = int(arguments[arguments.index(how.get("port_flag", "--port")) + 1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
pathlib.Path(__file__).with_suffix(".host").write_text(server.server_address[0])
if how.get("leaves_s") is not None:
    server.timeout = 0.05
    end = time.monotonic() + how["leaves_s"]
    while time.monotonic() < end:
        server.handle_request()
    print("segmentation fault, it says", flush=True)
    sys.exit(139)
server.serve_forever()
'''


def put_engine(folder: Path, name: str = "vllm", **how: object) -> Path:
    """Write the program `name` into a folder, to behave so.

    Keys: ``dies`` an exit code at once; ``late_s`` seconds until it is healthy; ``deaf`` it never listens;
    ``stubborn`` it ignores SIGTERM; ``worker`` it starts a process that ignores SIGTERM too; ``leaves_s``
    seconds until it ends by itself; ``serves`` the name of its model.
    """
    import json

    program = folder / name
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    program.with_suffix(".json").write_text(json.dumps(how))
    return program
