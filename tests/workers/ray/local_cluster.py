"""A real Ray cluster on this machine: each node a set of processes of its own."""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

RAY = [Path(sys.executable).with_name("ray"), "start", "--block", "--disable-usage-stats"]
ENVIRONMENT = {
    # Nobody else on this machine is to use the clusters of this process.
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    # Ray has its workers give way to all others, beside whose tests they would not get anywhere.
    "RAY_worker_niceness": "0",
}
SMALL = ["--object-store-memory", "100000000"]


class Cluster:
    """Nodes of one CPU each, the first of which is the head."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"127.0.0.1:{_free_port()}"
        self.nodes: list[psutil.Process] = []

    def add(self, cpus: int = 1, under: Sequence[str] = ()) -> None:
        head = ["--head", "--port", self.address.split(":")[1], "--include-dashboard", "false"]
        where = ["--address", self.address] if self.nodes else head
        command = [
            *under,
            *RAY,
            *SMALL,
            *where,
            "--node-ip-address",
            "127.0.0.1",
            "--num-cpus",
            str(cpus),
        ]
        log = (self.folder / f"node{len(self.nodes)}.txt").open("w")
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        self.nodes.append(psutil.Process(process.pid))
        self._wait(f"node{len(self.nodes) - 1}.txt")

    def kill(self, number: int) -> None:
        """Everything that runs on a node is gone at once."""
        node = self.nodes[number]
        with contextlib.suppress(psutil.NoSuchProcess):
            processes = [node, *node.children(recursive=True)]
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(processes, timeout=30)

    def _wait(self, log: str) -> None:
        until = time.monotonic() + 120
        while "Ray runtime started" not in (self.folder / log).read_text():
            assert time.monotonic() < until, (self.folder / log).read_text()
            time.sleep(0.2)


@contextlib.contextmanager
def cluster(
    folder: Path, nodes: int, cpus: int = 1, under: Sequence[str] = ()
) -> Iterator[Cluster]:
    """Nodes that are up, and die at the end of a `with`.

    Args:
        folder: Where their output goes.
        nodes: How many.
        cpus: Of each.
        under: The beginning of the command that starts one.
    """
    made = Cluster(folder)
    try:
        for _ in range(nodes):
            made.add(cpus, under)
        yield made
    finally:
        for number in reversed(range(len(made.nodes))):
            made.kill(number)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
