"""On what, and with which versions, the figures were taken."""

import datetime
import os
import platform
import re
from pathlib import Path

from programs import Failed, run


def describe(server):
    """Lines of RESULTS.md, by what they are about. What cannot be found out stays out."""
    found = {
        "date": lambda: datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": lambda: f"{len(os.sched_getaffinity(0))} cores, {processor()}, {memory()}",
        "kernel": lambda: f"{platform.system()} {platform.release()}",
        "data on": lambda: said(["stat", "-f", "-c", "%T", server.directory]),
        "Flowstate": lambda: said([server.binaries / "flowstate", "--version"]),
        "PostgreSQL": lambda: server.sql("SHOW server_version"),
        "etcd": lambda: version(["etcd", "--version"], r"etcd Version: (\S+)"),
        "gRPC C++": lambda: said(["pkg-config", "--modversion", "grpc++"]),
        "nghttp2": lambda: version(["nghttpd", "--version"], r"nghttp2/(\S+)"),
        "pgbench": lambda: version(["pgbench", "--version"], r"\) (\S+)"),
    }
    described = {}
    for name, find in found.items():
        try:
            described[name] = find()
        except Failed:
            continue
    return described


def said(command):
    return run(command).decode().strip()


def version(command, pattern):
    text = said(command)
    match = re.search(pattern, text)
    return match[1] if match else text.splitlines()[0]


def processor():
    match = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return match[1] if match else platform.machine()


def memory():
    kilobytes = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1])
    return f"{kilobytes / (1 << 20):.0f} GiB of memory"
