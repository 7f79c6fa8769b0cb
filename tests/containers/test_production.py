"""The production files on a real engine: what runs, as whom, who reaches it, and what becomes of a process that hangs."""

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.request import HTTPRedirectHandler, build_opener

import pytest

from tests.containers.stack import PRODUCTION, SLUG, Stack, stack, variants
from tests.servers import accepts, wait_until

# What the services listen on inside their containers: the web server, PostgreSQL, Redis, RabbitMQ and what it has
# besides, and the proxy's own administration.
INSIDE = (8000, 5432, 6379, 5672, 15672, 25672, 4369, 2019)
ANY_CHARACTER = """a@/#%41:?&"$x""" * 4  # a password
WORKING = {"celery-1", "celery-long-1", "celery-beat-1", "celery-beat-2"}
CONNECT = "from config.celery import app; connection = app.connection_for_write({url}); connection.ensure_connection(max_retries=1); print('in')"


@pytest.fixture(scope="module")
def open_before() -> set[int]:
    """The ports of this machine on which something listens before the first project starts."""
    return {port for port in INSIDE if accepts(port)}


@pytest.fixture(scope="module", params=variants(("redis", "postgresql")))
def deployed(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest, open_before: set[int]
) -> Iterator[Stack]:
    """A project that `make deploy` has started, with the mail server set."""
    broker, database = request.param
    with stack(
        tmp_path_factory.mktemp(broker), PRODUCTION, broker=broker, database=database, monitoring="prometheus"
    ) as own:
        own.set(EMAIL_URL="smtp://localhost")
        if database == "postgresql":
            own.set(POSTGRES_PASSWORD=f"'{ANY_CHARACTER}'")
        own.project.make("deploy")
        yield own


def test_what_the_answers_say_runs_and_is_healthy(deployed: Stack) -> None:
    expected = {"web-1", "proxy-1"}
    if deployed.broker:
        expected |= {*WORKING, f"{deployed.broker}-1"}
    if deployed.database:
        expected |= {"db-1"}

    assert deployed.health() == dict.fromkeys(expected, "healthy")


def test_a_task_sent_from_the_page_is_done(deployed: Stack) -> None:
    seen = deployed.secure_site.watch_report(months=2)

    assert seen[-1]["state"] == "SUCCESS"
    if deployed.broker:
        deployed.wait_for_log("celery-long", "Task base.tasks.build_report")


def test_prometheus_finds_every_process(deployed: Stack) -> None:
    if not deployed.broker:
        pytest.skip("without a broker there is the web server alone")
    with deployed.watched() as told:
        wait_until(lambda: (told()["web"], told()["celery"]) == (1, 4), "the figures of web, two workers and two beats")


def test_plain_http_is_sent_on_to_https(deployed: Stack) -> None:
    class Stay(HTTPRedirectHandler):
        def redirect_request(self, *args: object, **kwargs: object) -> None:
            return None

    request = urllib.request.Request(f"http://localhost:{deployed.ports['HTTP_PORT']}/")
    with pytest.raises(urllib.error.HTTPError) as answer:
        build_opener(Stay).open(request, timeout=10)
    answer.value.close()

    assert answer.value.code == 308
    assert answer.value.headers["Location"] == "https://localhost/"


def test_the_deployment_s_own_check_finds_nothing(deployed: Stack) -> None:
    tag = () if deployed.broker else ("--tag", "security")  # that production is eager is the one warning there
    check = ("python", "manage.py", "check", "--deploy", "--fail-level", "WARNING", *tag)

    assert "no issues" in deployed.compose("exec", "--no-TTY", "web", *check).stdout


def test_no_secret_is_a_placeholder(deployed: Stack) -> None:
    config = deployed.compose("config").stdout
    secrets = re.findall(
        r"(?:SECRET_KEY|(?<!SENTINEL_)PASSWORD|METRICS_TOKEN|REDISCLI_AUTH|DEFAULT_PASS): (\S+)", config
    )

    assert len(secrets) >= 2
    assert [secret for secret in secrets if len(secret) < 40] == []
    assert "change-me" not in config
    assert "mail.example.com" not in config


def test_the_proxy_alone_is_reached_from_the_host(deployed: Stack, open_before: set[int]) -> None:
    published = {
        int(binding["HostPort"])
        for container in deployed.containers()
        for bindings in container["NetworkSettings"]["Ports"].values()
        for binding in bindings or []
    }

    assert published == set(deployed.ports.values())
    assert deployed.ports.keys() == {"HTTP_PORT", "HTTPS_PORT"}
    assert [port for port in published if not accepts(port)] == []
    assert {port for port in INSIDE if accepts(port)} - open_before == set()


def test_the_proxy_reaches_neither_broker_nor_database(deployed: Stack) -> None:
    networks = {
        container["Name"].partition("-")[2]: {
            name.rpartition("_")[2] for name in container["NetworkSettings"]["Networks"]
        }
        for container in deployed.containers()
    }

    assert networks["proxy-1"] == {"front"}
    assert networks["web-1"] == {"front", "back"}
    for store in {f"{deployed.broker}-1", "db-1"} & networks.keys():
        assert networks[store] == {"back"}


def test_the_broker_refuses_a_client_without_the_password(deployed: Stack) -> None:
    if not deployed.broker:
        pytest.skip("the project has no broker")
    port = {"rabbitmq": f"amqp://{SLUG}:guess@rabbitmq:5672/{SLUG}"}.get(
        deployed.broker, f"redis://{deployed.broker}:6379/1"
    )
    with_it = deployed.compose("exec", "--no-TTY", "web", "python", "-c", CONNECT.format(url=""), check=False)
    without = deployed.compose("exec", "--no-TTY", "web", "python", "-c", CONNECT.format(url=f"'{port}'"), check=False)

    assert with_it.stdout.strip().endswith("in")
    assert without.returncode != 0
    assert re.search("already authenticated|ACCESS_REFUSED", without.stdout)  # as Redis answers to HELLO 3


def test_no_process_is_root_s(deployed: Stack) -> None:
    owners = {}
    for container in deployed.containers():
        if container["State"]["Running"]:
            lines = deployed.project.run("docker", "top", container["Id"], "-eo", "uid,pid,comm").stdout.splitlines()
            owners[container["Name"]] = {line.split()[0] for line in lines[1:]}

    assert len(owners) >= 2
    assert [name for name, users in owners.items() if "0" in users or not users] == []


def test_nothing_can_be_written_outside_volumes_and_memory(deployed: Stack) -> None:
    for container in deployed.containers():
        if not container["State"]["Running"]:
            continue
        own = [mount["Destination"] for mount in container["Mounts"]] + ["/tmp"]
        places = [
            place
            for place in ("/", "/app", "/etc", "/home", "/opt", "/usr/bin", "/var", "/var/lib", "/root", "/data")
            if place not in own
        ]
        tries = "; ".join(f"(echo x > {place}/x) 2> /dev/null && echo {place}" for place in places)
        for user in ([], ["--user", "0"]):
            written = deployed.project.run(
                "docker", "exec", *user, container["Id"], "sh", "-c", f"{tries}; true"
            ).stdout

            assert written == "", container["Name"]


def test_each_container_is_hardened_and_limited(deployed: Stack) -> None:
    for container in deployed.containers():
        host, name = container["HostConfig"], container["Name"]

        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["Memory"] > 0, name
        assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "5"}, name
        assert host["RestartPolicy"]["Name"] in {"unless-stopped", "no"}, name


def test_a_worker_and_a_beat_that_hang_are_unhealthy_within_a_minute_and_replaced(deployed: Stack) -> None:
    if not deployed.broker:
        pytest.skip("the project has neither worker nor beat")
    chosen = [deployed.containers(service)[0] for service in ("celery", "celery-beat")]
    frozen = {container["Id"]: container["RestartCount"] for container in chosen}
    for id_ in frozen:
        # The first process is the init process; its only child is Celery's.
        deployed.project.run("docker", "exec", id_, "sh", "-c", "kill -STOP $(cat /proc/1/task/1/children)")
    start, unhealthy_after = time.monotonic(), dict[str, float]()

    def states() -> dict[str, tuple[str, int]]:
        inspected = json.loads(deployed.project.run("docker", "inspect", *frozen).stdout)
        return {one["Id"]: (one["State"]["Health"]["Status"], one["RestartCount"]) for one in inspected}

    def replaced() -> bool:
        now = states()
        for id_, (health, _) in now.items():
            if health == "unhealthy":
                unhealthy_after.setdefault(id_, time.monotonic() - start)
        return all(health == "healthy" and count > frozen[id_] for id_, (health, count) in now.items())

    wait_until(replaced, "both again", 150)

    assert unhealthy_after.keys() == frozen.keys()
    assert max(unhealthy_after.values()) <= 60


def test_a_container_that_ends_is_started_again(deployed: Stack) -> None:
    container = deployed.containers("web")[0]["Id"]
    deployed.project.run("docker", "exec", container, "sh", "-c", "kill -KILL -1", check=False)

    wait_until(lambda: deployed.containers("web")[0]["RestartCount"] == 1, "a restart")
    wait_until(lambda: deployed.health()["web-1"] == "healthy", "the web server again")


def test_an_empty_secret_stops_the_start_with_a_sentence(deployed: Stack) -> None:
    file = deployed.project.path / ".env.production"
    complete = file.read_text()
    file.write_text(re.sub("^DJANGO_SECRET_KEY=.*", "DJANGO_SECRET_KEY=", complete, flags=re.MULTILINE))
    refused = deployed.project.run("make", "deploy", check=False)
    file.write_text(complete)

    assert refused.returncode != 0
    assert "DJANGO_SECRET_KEY" in refused.stdout
    assert "set it in .env.production; it signs sessions" in refused.stdout


USERS = "from users.models import User; print(User.objects.filter(username='kept').count())"


def test_a_backup_is_restored_by_one_command(deployed: Stack) -> None:
    deployed.python("from users.models import User; User.objects.create_user('kept')")
    deployed.project.make("backup", "FILE=backups/one")
    deployed.python("from users.models import User; User.objects.filter(username='kept').delete()")
    again = deployed.project.run("make", "backup", "FILE=backups/one", check=False)

    assert deployed.python(USERS).strip() == "0"
    deployed.project.make("restore", "FILE=backups/one")
    assert deployed.python(USERS).strip() == "1"
    assert set(deployed.health().values()) == {"healthy"}
    assert deployed.secure_site.answers()
    assert (deployed.project.path / "backups/one").stat().st_mode & 0o077 == 0
    assert again.returncode != 0
    assert "exists already" in again.stdout


def test_what_is_no_backup_changes_nothing(deployed: Stack) -> None:
    deployed.python("from users.models import User; User.objects.get_or_create(username='kept')")
    good = deployed.project.path / "backups/good"
    deployed.project.make("backup", "FILE=backups/good")
    (deployed.project.path / "backups/half").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    (deployed.project.path / "backups/text").write_text("This is no database.\n" * 1000)
    started = {container["Id"]: container["State"]["StartedAt"] for container in deployed.containers()}
    for name in ("half", "text", "none"):
        refused = deployed.project.run("make", "restore", f"FILE=backups/{name}", check=False)

        assert refused.returncode != 0, name
        assert ("The database is unchanged" in refused.stdout) or ("Nothing was changed" in refused.stdout), name
        assert deployed.python(USERS).strip() == "1"

    assert {one["Id"]: one["State"]["StartedAt"] for one in deployed.containers()} == started  # nothing was stopped


OWN_WORKER = """
  celery-mail:
    <<: *worker
    command: celery -A config worker --queues mail --loglevel INFO
"""
SENT = "from base.tasks import build_report; print(build_report.apply_async([1], queue='mail').get(timeout=30))"


def test_a_worker_that_a_team_has_added_is_deployed_and_stands_still_during_a_restore(deployed: Stack) -> None:
    if not deployed.broker:
        pytest.skip("there is no worker")
    project = deployed.project.path
    files = [project / "compose.production.yaml", project / "config/settings/celery.py"]
    before = [file.read_text() for file in files]
    files[0].write_text(before[0].replace("\n  celery-beat:\n", f"{OWN_WORKER}\n  celery-beat:\n", 1))
    files[1].write_text(before[1].replace('("default", "long")', '("default", "long", "mail")'))
    try:
        deployed.project.make("deploy")
        deployed.python(SENT)
        sent = deployed.log("celery-mail")
        started = deployed.containers("celery-mail")[0]["State"]["StartedAt"]
        deployed.project.make("backup", "FILE=backups/mail")
        deployed.project.make("restore", "FILE=backups/mail")
        restarted = deployed.containers("celery-mail")[0]["State"]
        health = deployed.health()
    finally:
        for file, text in zip(files, before, strict=True):
            file.write_text(text)
        deployed.compose("up", "--detach", "--wait", "--remove-orphans")

    assert "Task base.tasks.build_report" in sent
    assert restarted["StartedAt"] > started
    assert health["celery-mail-1"] == "healthy"


def test_what_is_uploaded_to_web_is_read_by_a_worker(deployed: Stack) -> None:
    storage = (
        "from django.core.files.storage import default_storage as s; from django.core.files.base import ContentFile; "
    )
    name = deployed.python(storage + "print(s.save('a/note.txt', ContentFile(b'kept')))").strip()

    reader = "celery" if deployed.broker else "web"
    assert deployed.python(storage + f"print(s.open({name!r}).read())", reader).strip() == "b'kept'"
