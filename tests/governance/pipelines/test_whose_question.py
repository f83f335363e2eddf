"""Of the questions about a commit, which a pipeline may rely on: those of its service account, about the whole of the
environment."""

from __future__ import annotations

import pytest

from tests.governance.pipelines import make

pytestmark = pytest.mark.django_db


def arrive(row, forge) -> None:
    """A webhook of GitHub about a job that waits."""
    assert make.send(row, make.github_payload(forge.url, run=forge.run())).status_code == 202


def test_a_persons_question_says_nothing_for_the_pipeline(people, github, forge):
    make.ask(people.owner)
    arrive(github, forge)
    make.answer()
    assert forge.effects == ["deployment.reported"]
    make.ask(people.robot, make.DENIED)
    make.ask(people.owner)
    make.answer()
    assert forge.effects[-1] == "deployment.rejected", "a newer one of a person replaces nothing"


def test_a_question_about_one_store_says_nothing_for_the_environment(people, github, forge):
    make.ask(people.robot, instance="s1")
    arrive(github, forge)
    make.answer()
    assert forge.effects == ["deployment.reported"]
    assert "as a whole" in forge.comment
    make.ask(people.robot)
    make.answer()
    assert forge.effects == ["deployment.reported", "deployment.approved"]
