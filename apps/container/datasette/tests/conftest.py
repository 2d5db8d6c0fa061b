import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

HERE = Path(__file__).parent
SITE = HERE.parent
ROOT = HERE.parents[3]
sys.path[:0] = [str(HERE), str(SITE)]

from account import Account  # noqa: E402


class Site:
    """The site in this process, asked as a browser would ask it, from tests that are not asynchronous."""

    def __init__(self, file):
        from datasette.app import Datasette

        self.file = Path(file)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

        async def begin():
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("MIRROR_FILE", str(file))
                datasette = Datasette(config_dir=SITE)
                await datasette.invoke_startup()
                return datasette

        self.datasette = self.run(begin())

    def run(self, awaitable):
        return asyncio.run_coroutine_threadsafe(awaitable, self._loop).result(120)

    def get(self, path, **options):
        return self.run(self.datasette.client.get(path, **options))

    def post(self, path, **options):
        return self.run(self.datasette.client.post(path, **options))

    def html(self, path):
        answer = self.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer.text

    def json(self, path):
        answer = self.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def sql(self, sql, **params):
        """Rows of a query as dicts, by way of the SQL page."""
        answer = self.get("/stripe.json", params={"sql": sql, "_shape": "array", **params})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


def build_search_index(file):
    """The search index as the container builds it, by its own package."""
    script = """
      const { DatabaseSync } = await import('node:sqlite');
      const { ensureSearchIndex, findTables } = await import(process.argv[1]);
      const db = new DatabaseSync(process.argv[2], { enableForeignKeyConstraints: false });
      const tables = findTables(db, {
        columns: ['name', 'email', 'description', 'number', 'metadata'],
        parts: ['name', 'email', 'number', { column: 'payment_method_details', path: '$.card.last4' }],
        label: ['name', 'number', 'description', 'email'],
        except: ['events', 'td_metadata', 'td_runs', 'td_progress', 'td_requests', 'td_deleted', 'td_proof', 'td_state'],
      });
      await ensureSearchIndex(db, { tables });
      db.close();
    """
    index = ROOT / "packages" / "search-index" / "src" / "index.ts"
    node = ROOT / "node_modules" / ".bin" / "node"
    subprocess.run(
        [node, "--input-type=module", "-e", script, index.as_uri(), str(file)], check=True, capture_output=True, timeout=300
    )


@pytest.fixture(scope="session", autouse=True)
def patience():
    """Pages wait for all of their panels, however busy the machine is."""
    from stripe_site import dashboards

    dashboards.PAGE_SECONDS = 60


@pytest.fixture(scope="session")
def account():
    return Account()


@pytest.fixture(scope="session")
def file(account, tmp_path_factory):
    file = tmp_path_factory.mktemp("mirror") / "any-name.sqlite"
    account.write(file)
    build_search_index(file)
    return file


@pytest.fixture(scope="session")
def site(file):
    site = Site(file)
    yield site
    site.close()


@pytest.fixture(scope="session")
def server(file, tmp_path_factory):
    """Datasette as the container starts it: a process of its own on a Unix socket."""
    socket = tmp_path_factory.mktemp("run") / "d.sock"
    process = subprocess.Popen(
        [sys.executable, "-m", "datasette", "serve", str(SITE), "--uds", str(socket)],
        env={"MIRROR_FILE": str(file), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    client = httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://datasette", timeout=60)
    end = time.monotonic() + 60
    while True:
        try:
            if client.get("/-/versions.json").status_code == 200:
                break
        except httpx.TransportError:
            assert process.poll() is None and time.monotonic() < end, "Datasette did not start"
            time.sleep(0.05)
    yield client
    client.close()
    process.terminate()
    process.wait(30)


@pytest.fixture
def writer(file):
    """A second process's connection, as the engine has one."""
    connection = sqlite3.connect(file)
    yield connection
    connection.close()
