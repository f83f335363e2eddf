"""The emulated code host in a process of its own, and an estate whose till asks the gate."""

from __future__ import annotations

import pytest

from sandbox.client import Control, Sandbox
from tests.governance.pipelines import make


@pytest.fixture(scope="session")
def forge_process(tmp_path_factory):
    with Sandbox(state=tmp_path_factory.mktemp("forge"), ports={"forge": 0}) as running:
        yield running


class Forge:
    """The code host for one test: what happened before it is not counted."""

    def __init__(self, control: Control) -> None:
        self.control, self.url = control, control.url
        self.since = len(control.journal())

    def order(self, **orders):
        return self.control.control(**orders)

    def fault(self, kind: str, **fields):
        self.control.fault(kind, **fields)

    def run(self, **more) -> int:
        """A job that waits at an environment; a run of its own for each test."""
        Forge.runs += 1
        values = {
            "repository": make.REPOSITORY,
            "repository_id": make.REPOSITORY_ID,
            "run": make.RUN + Forge.runs,
            "environment": "production",
            "installation": 77,
        }
        self.order(run=values | more)
        return (values | more)["run"]

    def merge_request(self, sha: str = make.SHA) -> int:
        Forge.runs += 1
        self.order(merge_request={"project": make.PROJECT, "iid": Forge.runs, "sha": sha, "check": make.CHECK})
        return Forge.runs

    @property
    def effects(self) -> list[str]:
        return [entry.effect for entry in self.control.journal(self.since)]

    @property
    def comment(self) -> str:
        return self.control.journal(self.since)[-1].data["comment"]

    def calls(self, name: str) -> int:
        return self.control.state()["calls"].get(name, 0)

    runs = 0


@pytest.fixture
def forge(forge_process: Sandbox) -> Forge:
    control = forge_process.forge
    control.control(clear=True, release=True, auth="restore", set={"token_seconds": 3600.0}, expire=True)
    control.control(app={"id": "Iv1.retail", "public_key": make.PUBLIC})
    return Forge(control)


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch, db) -> make.Estate:
    monkeypatch.setenv("TILLGATE_PIPELINE_WEBHOOK", make.SECRET)
    monkeypatch.setenv("TILLGATE_PIPELINE_GITHUB", make.PRIVATE)
    monkeypatch.setenv("TILLGATE_PIPELINE_GITLAB", make.TOKEN)
    return make.estate()


@pytest.fixture
def github(people: make.Estate, forge: Forge):
    row = make.connection(people, forge.url)
    make.mapping(people, row)
    return row


@pytest.fixture
def gitlab(people: make.Estate, forge: Forge):
    row = make.connection(people, forge.url, "gitlab")
    make.mapping(people, row)
    return row
