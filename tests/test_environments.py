"""Which folders of an input are environments, and which only have an object in common."""

from __future__ import annotations

import pytest

from analyzer.environments import folders_of, whose


def places(*files: str) -> dict[tuple[str, str, str, str], frozenset[str]]:
    """Objects by the files that each stands in: ``web: dev/a.yaml prod/a.yaml``."""
    return {("v1", "Service", "shop", name): frozenset(paths.split()) for name, _, paths in (one.partition(":") for one in files)}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["web: envs/dev/a.yaml envs/prod/a.yaml", "api: all.yaml"], {"envs/dev": "dev", "envs/prod": "prod"}),
        (["web: envs/dev/x/a.yaml envs/prod/y/a.yaml"], {"envs/dev": "dev", "envs/prod": "prod"}),
        (
            ["web: web/dev/a.yaml web/prod/a.yaml", "api: api/dev/a.yaml api/prod/a.yaml api/test/a.yaml"],
            {"web/dev": "dev", "web/prod": "prod", "api/dev": "dev", "api/prod": "prod", "api/test": "test"},
        ),
        (["web: overlays/dev/a.yaml envs/prod/a.yaml"], {"overlays": "overlays", "envs": "envs"}),
        (["web: dev/a.yaml prod/a.yaml", "own: prod/b.yaml"], {"dev": "dev", "prod": "prod"}),
        (["space: one/a.yaml two/a.yaml", "web: one/b.yaml", "api: one/c.yaml", "db: two/b.yaml"], {}),
        (["web: base/a.yaml overlays/dev/a.yaml overlays/prod/a.yaml"], {}),
        (["web: dev/a.yaml prod/a.yaml", "api: dev/a.yaml dev/b.yaml"], {}),
        (["web: dev.yaml prod.yaml"], {}),
        (["web: dev/a.yaml prod/a.yaml", "api: dev/one/a.yaml dev/two/a.yaml"], {}),
        (["web: " + " ".join(f"env-{number}/a.yaml" for number in range(9))], {}),
        ([], {}),
    ],
)
def test_environments_are_told_by_their_objects(given: list[str], wanted: dict[str, str]) -> None:
    assert folders_of(places(*given)) == wanted


def test_a_file_is_of_the_environment_whose_folder_it_lies_in() -> None:
    folders = {"envs/dev": "dev", "envs/prod": "prod"}
    found = [
        whose(path, folders) for path in ("envs/dev/a.yaml", "envs/prod/b/a.yaml", "envs/devel/a.yaml", "envs/a.yaml", "a.yaml")
    ]
    assert found == ["dev", "prod", "", "", ""]
