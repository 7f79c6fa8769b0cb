"""A real Prometheus asks a running project. Each alert fires when its cause is made, and ends when it is gone."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from tests.baking import Project
from tests.running.processes import PRODUCTION, Processes, add_tasks
from tests.servers import accepts, free_port, program, rabbitmq_node, redis_server, running, wait_until

Bake = Callable[..., Path]
Installed = Callable[..., Project]
# Tasks that end in each way, and an entry that is due each second.
TASKS = """

@shared_task
def succeed() -> None:
    pass


@shared_task
def fail() -> None:
    raise ValueError("on purpose")


@shared_task
def wait_for_file(path: str) -> None:
    import time
    from pathlib import Path

    while not Path(path).exists():
        time.sleep(0.1)
"""
ENTRY = """
from django_celery_beat.models import IntervalSchedule, PeriodicTask
second, _ = IntervalSchedule.objects.get_or_create(every=1, period="seconds")
PeriodicTask.objects.create(name="each second", task="base.tasks.succeed", interval=second)
"""
OUTBOX = """
from django.db import transaction
from base.tasks import succeed
with transaction.atomic():
    succeed.delay_in_transaction()
"""
# Times of the rules, as a test that takes minutes has them. alerts_test.yml tests the real ones.
SHORTER = {
    r"for: \d+m": "for: 2s",
    r"\[1[05]m\]": "[20s]",
    r"> 300": "> 4",
    r"> 60": "> 4",
}


class Monitoring(Processes):
    """The project's processes, and the Prometheus that watches them."""

    def __init__(self, project: Project, folder: Path) -> None:
        super().__init__(project, folder)
        self.broker_figures, self.prometheus, self.alertmanager = (free_port() for _ in range(3))
        self.figures = {"worker": free_port(), "beat": free_port()}
        self.environment["METRICS_TOKEN"] = "a token"
        self.begin = time.time()

    def worker(self, *arguments: str, **variables: str) -> Any:
        return super().worker(*arguments, METRICS_LISTEN=f"127.0.0.1:{self.figures['worker']}", **variables)

    def beat(self, **variables: str) -> Any:
        return super().beat(METRICS_LISTEN=f"127.0.0.1:{self.figures['beat']}", **variables)

    def configure(self) -> Path:
        """Prometheus' own files of the project, with the addresses of these processes and shorter times."""
        source, target = self.project.path / "deploy/monitoring", self.folder / "monitoring"
        target.mkdir()
        (target / "token").write_text("a token")
        rules = (source / "alerts.yml").read_text()
        for pattern, shorter in SHORTER.items():
            rules, found = re.subn(pattern, shorter, rules)
            assert found, pattern
        (target / "alerts.yml").write_text(rules)
        config = yaml.safe_load((source / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{self.alertmanager}"]}]
        ports = {"web": [self.web], "celery": [*self.figures.values()], "rabbitmq": [self.broker_figures]}
        for job in config["scrape_configs"]:
            job.pop("dns_sd_configs", None)
            job["static_configs"] = [{"targets": [f"127.0.0.1:{port}" for port in ports[job["job_name"]]]}]
            if "authorization" in job:
                job["authorization"]["credentials_file"] = str(target / "token")
        (target / "prometheus.yml").write_text(yaml.safe_dump(config))
        return target

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Start Prometheus and Alertmanager."""
        config = self.configure()
        prometheus = [
            program("prometheus"),
            f"--config.file={config}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/tsdb",
            f"--web.listen-address=127.0.0.1:{self.prometheus}",
        ]
        alertmanager = [
            program("prometheus-alertmanager"),
            f"--config.file={self.project.path}/deploy/monitoring/alertmanager.yml",
            f"--storage.path={self.folder}/alertmanager",
            f"--web.listen-address=127.0.0.1:{self.alertmanager}",
            "--cluster.listen-address=",
        ]
        with ExitStack() as stack:
            for name, command in (("prometheus", prometheus), ("alertmanager", alertmanager)):
                stack.enter_context(running(command, self.folder, os.environ, self.folder / f"{name}.log"))
            yield

    def ask(self, port: int, path: str, **query: object) -> Any:
        with urlopen(f"http://127.0.0.1:{port}/api/{path}?{urlencode(query)}", timeout=10) as answer:
            return json.load(answer)

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The labels and the value of each series of an expression, now."""
        found = self.ask(self.prometheus, "v1/query", query=expression)["data"]["result"]
        return [(series["metric"], float(series["value"][1])) for series in found]

    def total(self, expression: str) -> float:
        return sum(value for _, value in self.query(expression))

    def fire(self) -> set[str]:
        """The alerts that fire now."""
        with suppress(OSError):
            return {labels["alertname"] for labels, _ in self.query('ALERTS{alertstate="firing"}')}
        return set()

    def expect(self, *alerts: str) -> None:
        """Wait until all of these fire, and print after how long."""
        begin, left = time.monotonic(), set(alerts)

        def all_have() -> bool:
            for alert in self.fire() & left:
                print(f"{alert}: fires after {time.monotonic() - begin:.0f} s")
                left.discard(alert)
            return not left

        wait_until(all_have, f"all of {alerts}; {left} do not fire", 90)

    def expect_none(self) -> None:
        begin = time.monotonic()
        wait_until(lambda: self.query("up == 1") and not self.fire(), "the end of all alerts", 90)
        print(f"no alert after {time.monotonic() - begin:.0f} s")


@pytest.fixture
def monitoring_of(installed: Installed, tmp_path: Path) -> Callable[..., Any]:
    """Start a site with a web server, a broker, Prometheus and Alertmanager, and no worker or beat yet."""

    @contextmanager
    def start(broker: str) -> Iterator[Monitoring]:
        project = installed(tmp_path / "project", broker=broker, monitoring="prometheus")
        add_tasks(project, TASKS)
        project.make("migrate")
        project.python(ENTRY)
        monitoring = Monitoring(project, tmp_path)
        server = redis_server(tmp_path, monitoring.broker, "redis-server")
        if broker == "rabbitmq":
            monitoring.use_rabbitmq()
            server = rabbitmq_node(tmp_path, monitoring.broker, "ada", "secret", monitoring.broker_figures)
        with server, monitoring.server(), monitoring.watch():
            yield monitoring

    return start


@pytest.fixture
def monitoring(monitoring_of: Callable[..., Any]) -> Iterator[Monitoring]:
    with monitoring_of("redis") as started:
        yield started


def redis(port: int, *command: str) -> str:
    """What redis-cli prints of a command."""
    return subprocess.run(
        [program("redis-cli"), "-p", str(port), *command], capture_output=True, text=True, check=True
    ).stdout


def info(port: int, name: str) -> int:
    """A number of INFO."""
    return int(next(line.partition(":")[2] for line in redis(port, "info").splitlines() if line.startswith(f"{name}:")))


def queries(project: Project) -> list[str]:
    """Every query of every panel of the dashboard."""
    dashboard = json.loads((project.path / "deploy/monitoring/grafana/dashboards/background-work.json").read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]

    assert len(found) > 15
    return [query.replace("$__rate_interval", "20s").replace("[5m]", "[20s]") for query in found]


def test_each_alert_fires_and_ends(monitoring: Monitoring) -> None:
    end, broker = monitoring.folder / "end", monitoring.broker
    with monitoring.beat() as beat:
        with monitoring.worker() as worker:
            monitoring.python("for _ in range(50): succeed.delay()")
            monitoring.expect_none()
            wait_until(
                lambda: monitoring.total('celery_task_succeeded_total{name="base.tasks.succeed"}') > 50, "counts"
            )
            os.killpg(worker.popen.pid, signal.SIGKILL)

        # The worker is gone, its queue grows old, the beat is frozen and the broker nearly full.
        beat.popen.send_signal(signal.SIGSTOP)
        monitoring.python(f"for _ in range(20): succeed.delay()\n{OUTBOX}")
        redis(broker, "config", "set", "maxmemory", str(int(info(broker, "used_memory") * 1.15)))
        monitoring.expect(
            "CeleryQueueWithoutWorker",
            "CeleryMessageTooOld",
            "CeleryNoBeatLeads",
            "CeleryOutboxStands",
            "CeleryBrokerMemory",
            "CeleryNoFigures",
        )
        wait_until(lambda: len(monitoring.ask(monitoring.alertmanager, "v2/alerts")) > 5, "what Alertmanager was told")
        redis(broker, "config", "set", "maxmemory", "0")
        beat.popen.send_signal(signal.SIGCONT)
        with monitoring.worker() as worker:
            monitoring.expect("CeleryTasksWait")
            monitoring.expect_none()

            # Tasks fail; then all processes are at work for long, and a stop puts their messages back.
            monitoring.python("for _ in range(9): fail.delay()")
            monitoring.expect("CeleryTasksFail")
            monitoring.python(f"for _ in range(6): wait_for_file.delay('{end}')")
            monitoring.expect("CeleryQueueStands")
            worker.popen.send_signal(signal.SIGQUIT)
            wait_until(lambda: worker.popen.poll() is not None, "the end of the worker")
        with monitoring.worker("--concurrency", "6"):
            query = 'celery_task_redelivered_total{name="base.tasks.wait_for_file"}'
            wait_until(lambda: monitoring.total(query) >= 2, "what was delivered again")
            assert monitoring.total('celery_task_failed_total{name="base.tasks.fail", exception=""}') == 0
            end.touch()
            monitoring.expect_none()

            # The broker is frozen. Entries are missed, and pages still tell.
            process = info(broker, "process_id")
            os.kill(process, signal.SIGSTOP)
            try:
                monitoring.expect("CeleryBrokerDown", "CeleryEntryMissed")
            finally:
                os.kill(process, signal.SIGCONT)
            monitoring.expect_none()

            empty = [query for query in queries(monitoring.project) if not has_data(monitoring, query)]
            assert empty == []


def has_data(monitoring: Monitoring, query: str) -> bool:
    """Whether a panel would show anything of the time since the test's begin."""
    span = {"start": monitoring.begin, "end": time.time(), "step": 5}
    found = monitoring.ask(monitoring.prometheus, "v1/query_range", query=query, **span)["data"]["result"]
    return any(value != "NaN" for series in found for _, value in series["values"])


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_the_rules_pass_their_own_tests(bake: Bake, broker: str) -> None:
    folder = bake(broker=broker, monitoring="prometheus") / "deploy/monitoring"
    checks = (
        ("promtool", "test", "rules", "alerts_test.yml"),
        ("promtool", "check", "config", "--syntax-only", "prometheus.yml"),
        ("amtool", "check-config", "alertmanager.yml"),
    )
    for name, *arguments in checks:
        done = subprocess.run([program(name), *arguments], cwd=folder, capture_output=True, text=True, check=False)

        assert done.returncode == 0, done.stdout + done.stderr


def test_rabbitmq_s_figures(monitoring_of: Callable[..., Any]) -> None:
    with monitoring_of("rabbitmq") as monitoring:
        monitoring.python("for _ in range(3): succeed.delay()\nsucceed.apply_async(countdown=2)")
        wait_until(lambda: monitoring.total('celery_queue_length{queue_name="default"}') == 4, "what waits", 60)
        with monitoring.worker("--concurrency", "1"):
            done = 'celery_task_succeeded_total{name="base.tasks.succeed", queue_name="default"}'
            wait_until(lambda: monitoring.total(done) == 4, "what was done, the delayed one too", 60)
        used, limit = "rabbitmq_process_resident_memory_bytes", "rabbitmq_resident_memory_limit_bytes"
        wait_until(lambda: 0 < monitoring.total(used) < monitoring.total(limit), "RabbitMQ's memory", 60)
        assert monitoring.query("celery_queue_oldest_seconds") == []  # it can't be known
        assert not monitoring.query('celery_task_started_total{queue_name="other"}')


def test_a_worker_whose_port_is_taken_works(monitoring: Monitoring) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(monitoring.worker("--queues", "long"))
        wait_until(lambda: "ready." in first.output(), "the first worker")
        other = stack.enter_context(monitoring.worker("--queues", "default", "--hostname", "other"))
        wait_until(lambda: "can't be listened at" in other.output(), "the warning")
        wait_until(lambda: "ready." in other.output(), "the worker")
        monitoring.python("for _ in range(200): succeed.delay()")
        wait_until(lambda: other.output().count("succeeded in") == 200, "the tasks of the second one")


# Runs Python with these arguments, and lets it write to a disk that is full.
TO_A_FULL_DISK = """
import os, sys
full = os.open("/dev/full", os.O_WRONLY)
os.dup2(full, 1)
os.dup2(full, 2)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def test_what_watches_a_worker_hinders_no_task_when_it_is_broken(monitoring: Monitoring) -> None:
    """Its endpoint gets connections that say nothing, its log is on a full disk, and Sentry's host is away."""
    port = monitoring.figures["worker"]
    worker = (
        "-c",
        TO_A_FULL_DISK,
        "-m",
        "celery",
        "-A",
        "config",
        "worker",
        "--queues",
        "default",
        "--loglevel",
        "INFO",
    )
    variables = {
        **PRODUCTION,
        "METRICS_LISTEN": f"127.0.0.1:{port}",
        "SENTRY_DSN": f"http://key@127.0.0.1:{free_port()}/1",
    }
    with ExitStack() as stack:
        process = stack.enter_context(monitoring.process("worker", *worker, **variables))
        wait_until(lambda: accepts(port), "the endpoint", 60)
        for _ in range(100):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        monitoring.python("for _ in range(300): succeed.delay()\nfor _ in range(20): fail.delay()")
        wait_until(lambda: outcomes(port) == (300, 20), f"300 tasks done and 20 failed, not {outcomes(port)}", 60)
        assert process.popen.poll() is None
        os.kill(process.popen.pid, signal.SIGTERM)
        wait_until(lambda: process.popen.poll() is not None, "the end of the worker", 60)

    assert process.popen.returncode == 0


def outcomes(port: int) -> tuple[int, int]:
    """How many of the test's tasks have succeeded, and failed, as the worker itself says."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    counts = [
        sum(
            float(number)
            for number in re.findall(rf'^celery_task_{name}_total{{.*name="base.tasks.{task}".*}} (\S+)$', text, re.M)
        )
        for name, task in (("succeeded", "succeed"), ("failed", "fail"))
    ]
    return int(counts[0]), int(counts[1])
