"""On a real server: reached by every kind of address, secrets kept, nothing lost when it dies, one writer at a time."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import pytest

import ndlab
from ndlab.annotations import Annotation, Annotations, Generic, Segment, Synapse
from ndlab.annotations.server import without_password
from ndlab.errors import BadRequest, Conflict, NotFound, ReadOnly, Unsupported
from tests.annotations.places import server
from tests.postgres import PASSWORD, USER, Postgres

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def url() -> str:
    """Address of an empty database."""
    return server().url()


@pytest.fixture
def own() -> Iterator[Postgres]:
    """Return a server that may be killed."""
    made = Postgres()
    yield made
    made.stop()


def python(script: str, *args: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *args], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
        env=dict(os.environ) | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


# --- addresses and secrets ----------------------------------------------------------------------------------------

OPENS = "import sys, ndlab; ann = ndlab.open(sys.argv[1]); print(len(ann), ann._database.engine.driver)"


def test_every_form_of_an_address_reaches_the_same_set(url: str, tmp_path: Path) -> None:
    Annotations.create(url, voxel_size=(40, 4, 4), name="spines").add([Synapse(), Synapse()])
    parts = urlsplit(url)
    bare = f"{parts.scheme}://{USER}@{parts.hostname}:{parts.port}{parts.path}"
    where = f"port={parts.port}&user={USER}&password={quote(PASSWORD, safe='')}"
    for address in (
        url, url.replace("postgresql://", "postgres://"), url.replace("postgresql://", "postgresql+pg8000://"),
        f"{url}?connect_timeout=5&application_name=test&sslmode=disable",
        f"{bare}?password={quote(PASSWORD, safe='')}",
        f"postgresql://{parts.path}?host={server().folder}&{where}",
    ):  # fmt: skip
        ann = ndlab.open(address)
        assert isinstance(ann, Annotations), address
        assert (len(ann), ann.name) == (2, "spines")
        ann.close()
    assert python(OPENS, bare, PGPASSWORD=PASSWORD) in ("2 pg8000", "2 psycopg")
    kept = tmp_path / "passwords"
    escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    kept.write_text(f"# a comment\nelsewhere:*:*:*:wrong\n127.0.0.1:{parts.port}:*:{USER}:{escaped}\n")
    kept.chmod(0o600)
    assert python(OPENS, bare, PGPASSFILE=str(kept)) in ("2 pg8000", "2 psycopg")
    kept.chmod(0o644)  # as libpq, nothing is taken from a file that others can read
    with pytest.raises(AssertionError, match="is closed to this user"):
        python(OPENS, bare, PGPASSFILE=str(kept))


def test_no_driver_is_named_with_what_to_type(url: str) -> None:
    """Python takes a module that is None in sys.modules for one that is not there."""
    script = "import sys; sys.modules['pg8000'] = sys.modules['psycopg'] = None; import ndlab; ndlab.open(sys.argv[1])"
    with pytest.raises(AssertionError, match=r'Unsupported.*not installed.*pip install "ndlab\[postgres\]"'):
        python(script, url)
    with pytest.raises(Unsupported, match=r"psycopg2.*the drivers are psycopg and pg8000"):
        ndlab.open(url.replace("postgresql://", "postgresql+psycopg2://"))


def test_no_password_is_ever_shown(url: str) -> None:
    """Of an address, in what is printed, stored, or raised."""
    secrets = [PASSWORD, quote(PASSWORD, safe="")]
    ann = Annotations.create(url, voxel_size=(40, 4, 4))
    ann.add([Synapse(keys={"a": 1})])
    shown = [repr(ann), ann._repr_html_(), ann.url, ann.name, repr(ann.where()), repr(ann.history()), repr(ann.space)]
    parts = urlsplit(url)
    at = f"{parts.hostname}:{parts.port}"
    wrong = quote(PASSWORD + "!", safe="")
    refused: list[tuple[str, Any]] = [
        (f"postgresql://{USER}:{wrong}@{at}/test", ReadOnly),
        (f"postgresql://{USER}:{quote(PASSWORD, safe='')}@{at}/nothing_there", NotFound),
        (f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:9/test", NotFound),
        (f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:port/test", BadRequest),
        (f"{url}?sslmod={quote(PASSWORD, safe='')}", (BadRequest, NotFound)),
        (server().url(), NotFound),
    ]
    for address, kind in refused:
        with pytest.raises(kind) as caught:
            Annotations.open(address)
        shown += [str(caught.value), repr(caught.value), str(caught.value.facts)]
    with pytest.raises(Conflict, match="are taken: 1") as conflict:
        ann.add([Synapse(id=1)])
    with pytest.raises(Conflict, match="some already") as there:
        Annotations.create(url)
    with pytest.raises(ReadOnly, match="opened to be read") as read:
        Annotations.open(url, readonly=True).add([Synapse()])
    with ann._database.writing() as connection:
        connection.exec_driver_sql("UPDATE facts SET value='99' WHERE name='version'")
    with pytest.raises(Unsupported, match="layout 99") as layout:
        Annotations.open(url)
    shown += [str(one.value) for one in (conflict, there, read, layout)]
    for text in shown:
        assert not any(secret in text for secret in secrets), text
    assert without_password(f"postgresql://{at}/x?user=ada&password=b") == f"postgresql://{at}/x"
    assert len(pickle.loads(pickle.dumps(ann._database)).engine.url.render_as_string()) > 0


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (lambda url: url.replace(USER, "nobody", 1), ReadOnly, "closed to this user.*PGPASSWORD"),
        (lambda url: url.rpartition("/")[0] + "/none", NotFound, r'is no database.*"none" does not exist.*createdb'),
        (lambda url: url, NotFound, "has no annotations.*Annotations.create"),
        (lambda url: url.rpartition(":")[0] + ":9/x", NotFound, "does not answer.*127.0.0.1.*9.*check that the server"),
        (lambda url: url.rpartition(":")[0] + ":z/x", BadRequest, "cannot be read.*it is postgresql://.*%2F"),
        (lambda url: url.replace("://", "+pg8000://") + "?target=1", BadRequest, "says target.*pg8000 knows host"),
        (lambda url: url.replace("://", "+pg8000://") + "?sslmode=often", BadRequest, "sslmode=often.*verify-full"),
        (lambda url: url + "?sslmode=require", NotFound, "does not answer.*(refuses|not support) SSL"),
        (lambda url: "postgresql:///x?host=/nowhere", NotFound, "does not answer"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(url: str, change: Any, kind: Any, said: str) -> None:
    with pytest.raises(kind, match=said):
        Annotations.open(change(url))


def test_connections_are_encrypted_as_the_address_asks(own: Postgres, tmp_path: Path) -> None:
    url = own.url().replace("://", "+pg8000://")
    Annotations.create(url).close()
    certificate = tmp_path / "root.crt"
    certificate.write_bytes(own.encrypt().read_bytes())
    own.kill()
    own.start()
    for words, encrypted in (
        ("", True), ("?sslmode=prefer", True), ("?sslmode=disable", False), ("?sslmode=require", True),
        (f"?sslmode=verify-ca&sslrootcert={certificate}", True),
        (f"?sslmode=verify-full&sslrootcert={certificate}", True),
    ):  # fmt: skip
        ann = Annotations.open(url + words)
        with ann._database.reading() as connection:
            asked = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            assert connection.exec_driver_sql(asked).scalar_one() is encrypted, words
        ann.close()
    other = url.replace("127.0.0.1", "localhost")
    Annotations.open(f"{other}?sslmode=verify-ca&sslrootcert={certificate}").close()
    for refused in (f"{url}?sslmode=verify-full", f"{other}?sslmode=verify-full&sslrootcert={certificate}"):
        with pytest.raises(NotFound, match=r"does not answer.*(?i:certificate)"):
            Annotations.open(refused)


def test_a_database_that_cannot_hold_every_letter_is_refused() -> None:
    server().run("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII'")
    with pytest.raises(Unsupported, match=r"keeps text as SQL_ASCII, they need UTF8.*createdb -E UTF8"):
        Annotations.create(server().url("ascii"))


def test_rights_that_lack_are_named(url: str) -> None:
    Annotations.create(url).add([Generic(id=1)])
    name = url.rpartition("/")[2]
    server().run(f"CREATE ROLE reader_{name} LOGIN PASSWORD 'read'")
    server().run(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_{name}", name)
    ann = Annotations.open(f"postgresql://reader_{name}:read@127.0.0.1:{server().port}/{name}", author="ada")
    assert ann.where().ids().tolist() == [1]
    with pytest.raises(ReadOnly, match=r"closed to this user.*permission denied.*GRANT"):
        ann.add([Generic()])


def test_text_and_numbers_come_back_to_the_letter(url: str) -> None:
    """COPY has letters of its own."""
    ann = Annotations.create(url)
    values: list[Any] = ["\\N", "\\", "\t", "a\nb\r\n", "\\.", "größe 🧠", "'; DROP TABLE objects; --", "%s %%", ":a",
              0.1 + 0.2, 5e-324, 1.7976931348623157e308, -0.0, 2**63 - 1, -(2**63), 2**64 - 1, True, ""]  # fmt: skip
    made = [Generic(id=i + 1, author=str(v) or "x", keys={f"k{v}"[:200]: v}) for i, v in enumerate(values)]
    ann.add(made)
    ann.update([1, 2], note_="\\N")
    for one, again in zip(made[2:], ann.get([one.id for one in made[2:]]), strict=True):
        assert (again.author, dict(again.keys)) == (one.author, dict(one.keys))
        assert ann.where(keys=dict(one.keys)).ids().tolist() == [one.id]
    assert ann.where(note_="\\N").count() == 2


# --- a server that dies -------------------------------------------------------------------------------------------


def test_a_server_killed_in_the_middle_of_a_write_keeps_all_or_nothing(own: Postgres) -> None:
    ann = Annotations.create(own.url(), author="ada")
    ann.add([Synapse(presegments=(7,), keys={"batch": 0}) for _ in range(10)])

    def deadly() -> Iterator[Annotation]:
        for i in range(12_000):
            if i == 11_000:  # the first pieces of the batch are at the server
                own.kill()
            yield Synapse(presegments=(7,), keys={"batch": 1})

    with pytest.raises(NotFound, match=r"does not answer.*check that the server runs") as caught:
        ann.add(deadly())
    assert not hasattr(caught.value, "unsure")
    for asked in (lambda: len(ann), lambda: ann.add([Synapse()]), lambda: Annotations.open(ann._database.address)):
        with pytest.raises(NotFound, match="does not answer"):
            asked()
    own.start()
    # The same object goes on, although its connections are dead.
    assert ann.where(presegments=7).count() == ann.where(batch=0).count() == len(ann) == 10
    assert ann.add([Synapse(presegments=(7,))]).tolist() == [11]
    assert [one.number for one in ann.history()] == [2, 1]
    ann.close()


def test_a_server_killed_while_it_commits_leaves_the_writer_unsure_and_the_store_whole(own: Postgres) -> None:
    url = own.url()
    ann = Annotations.create(url)
    name = url.rpartition("/")[2]
    own.run("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; "
            "END $$", name)  # fmt: skip
    own.run("CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON transactions DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION slow()", name)  # fmt: skip
    killer = threading.Thread(target=_kill_while_committing, args=(own,))
    killer.start()
    with pytest.raises(NotFound, match=r"made permanent: .*whole, or not at all.*ann.history\(limit=1\)") as caught:
        ann.add([Generic(), Generic()])
    assert caught.value.unsure
    killer.join()
    own.start()
    assert (len(ann), ann.history()) == (0, [])
    ann.close()


def _kill_while_committing(own: Postgres) -> None:
    asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    while own.run(asked) != ((1,),):
        time.sleep(0.02)
    own.kill()


def test_a_lost_connection_costs_its_transaction_alone(url: str) -> None:
    ann = Annotations.create(url)
    name = url.rpartition("/")[2]
    ends = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"

    def cut() -> Iterator[Annotation]:
        yield from (Generic(id=i) for i in range(1, 6001))
        server().run(ends)
        yield Generic()

    with pytest.raises(NotFound, match="does not answer"):
        ann.add(cut())
    assert len(ann) == 0
    ann.add([Generic()])
    server().run(ends)  # between two calls nobody notices
    assert len(ann) == 1


def test_the_server_of_a_killed_test_process_ends_and_leaves_nothing() -> None:
    script = (
        "import os, signal; from tests.postgres import Postgres; made = Postgres(); made.url();"
        "print(made._server, made.folder, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    pid, folder = done.stdout.split()
    until = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() or Path(folder).exists():
        assert time.monotonic() < until, "the server is still there"
        time.sleep(0.05)


# --- many writers -------------------------------------------------------------------------------------------------

MANY = """
import sys
from ndlab.annotations import Annotations, Segment
from ndlab.errors import Conflict, NotFound
url, name, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
import random
dice = random.Random(name)
ann = Annotations.open(url, author=name)
for i in range(rounds):
    reserved = ann.reserve(7)
    print("reserved", reserved.start, reserved.stop, flush=True)
    shared = dice.sample(range(1, 21), 5)
    try:
        ann.update(shared, keys={"last": name, "round": i}, neuron=reserved.start)
        if i % 5 == 4:
            ann.merge(shared[:2])
        if i % 7 == 6:
            ann.delete(shared[2])
        ann.add([Segment(id=reserved.start, keys={"of": name})])
        if i % 4 == 3:
            ann.undo(author=name)
    except (NotFound, Conflict):  # another one merged or deleted it, or changed it since
        pass
"""


@pytest.mark.timeout(150)
def test_four_writers_of_the_same_objects_leave_one_serial_history(url: str) -> None:
    """Each transaction finds what the one before left, and the last state is what they give one after another."""
    ann = Annotations.create(url, author="begin")
    ann.add([Segment(id=i) for i in range(1, 21)])
    command = [sys.executable, "-c", MANY, url]
    writers = [
        subprocess.Popen([*command, name, "24"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for name in ("ada", "ben", "cyd", "dee")
    ]
    reserved: list[int] = []
    for process in writers:
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
        reserved += [i for line in said.splitlines() for i in range(*map(int, line.split()[1:]))]
    assert len(set(reserved)) == len(reserved) == 4 * 24 * 7
    history = ann.history()[::-1]
    assert [one.number for one in history] == list(range(1, len(history) + 1))
    assert sorted(history, key=lambda one: one.time) == history
    assert {"ada", "ben", "cyd", "dee"} <= {one.author for one in history}
    switches = sum(a.author != b.author for a, b in pairwise(history))
    assert switches > 20, "they wrote one after another"
    state: dict[int, Annotation] = {}
    steps: dict[int, list[tuple[int, Annotation | None, Annotation | None]]] = {}
    for one in {*range(1, 21), *reserved}:
        for change in ann.changes(one):
            steps.setdefault(change.transaction.number, []).append((one, change.before, change.after))
    for transaction in history:
        done = steps.get(transaction.number, [])
        assert len(done) == transaction.objects
        for one, before, after in done:
            assert state.get(one) == before
            state.pop(one, None)
            if after is not None:
                state[one] = after
        if transaction.number % 10 == 0:
            assert {a.id: a for a in ann.as_of(transaction.number)} == state
    assert {a.id: a for a in ann} == state


def test_of_two_that_make_the_same_set_one_makes_it(url: str) -> None:
    made: list[object] = []

    def make() -> None:
        try:
            made.append(Annotations.create(url))
        except Conflict as error:
            made.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(one).__name__ for one in made) == ["Annotations", "Conflict", "Conflict", "Conflict"]


def test_a_batch_takes_few_round_trips(url: str) -> None:
    """A server is far away: as many statements as pieces, not as objects."""
    from sqlalchemy import event

    ann = Annotations.create(url)
    ids = ann.add([Synapse(presegments=(5,), keys={"a": i}) for i in range(3945)])
    asked: list[str] = []
    event.listen(ann._database.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    for call in (
        lambda: ann.get(ids),
        lambda: ann.add([Synapse(presegments=(5,), keys={"a": i}) for i in range(3945)]),
    ):
        asked.clear()
        call()
        assert len(asked) <= 14, asked
    for call in (lambda: ann.update(ids, a=1, presegments=[6]), lambda: ann.undo(), lambda: ann.delete(ids)):
        asked.clear()
        call()
        assert len(asked) <= 80, len(asked)
    assert len(ann) == 3945
    assert np.all(ann.as_of(2).where(a=7).ids() == [8, 3953])
