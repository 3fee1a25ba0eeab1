"""The API's description: complete, and true about errors."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jsonschema
import pytest
from fastapi import FastAPI

from api.problems import KINDS


@pytest.fixture
def description(make_app: Callable[..., FastAPI]) -> dict[str, Any]:
    """The OpenAPI document."""
    return make_app().openapi()


def operations(description: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """All operations with a name."""
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]


def keywords(value: Any) -> Iterator[str]:
    """All names of objects that do not hold another object."""
    if isinstance(value, list):
        for item in value:
            yield from keywords(item)
    if isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(item, dict):
                yield name
            yield from keywords(item)


def test_every_operation_is_explained(description: dict[str, Any]) -> None:
    """Given the description, when read, then every operation has a summary, a text and described answers."""
    for name, operation in operations(description):
        assert operation["summary"], name
        assert operation["description"], name
        for status, response in operation["responses"].items():
            assert response["description"], (name, status)


def test_every_guarded_operation_says_so(make_app: Callable[..., FastAPI], description: dict[str, Any]) -> None:
    """Given keys, when described, then all but the health probes name the key scheme; given none, nothing does."""
    assert not [name for name, operation in operations(description) if "security" in operation]
    description = make_app(api_key_hashes="alice=" + "0" * 64).openapi()
    scheme = description["components"]["securitySchemes"]["api_key"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    open_to_all = {name for name, operation in operations(description) if "security" not in operation}
    assert open_to_all == {"GET /livez", "GET /readyz"}


def test_errors_are_problem_documents(description: dict[str, Any]) -> None:
    """Given the description, when errors are read, then all but readiness are problem+json."""
    for name, operation in operations(description):
        for status, response in operation["responses"].items():
            if int(status) >= 400 and name != "GET /readyz":
                assert list(response["content"]) == ["application/problem+json"], (name, status)
    assert "HTTPValidationError" not in description["components"]["schemas"]


def test_every_code_that_a_route_can_answer_is_documented(description: dict[str, Any]) -> None:
    """Given the table of codes, when compared with the description, then each is in it but those of no route."""
    answers = [answer for _, operation in operations(description) for answer in operation["responses"].values()]
    texts = " ".join(answer["description"] for answer in answers)
    undocumented = {code for code in KINDS if f"`{code}`" not in texts}
    assert undocumented == {"internal_error", "method_not_allowed"}


def test_limits_are_told_in_words_of_json_schema(description: dict[str, Any]) -> None:
    """Given the description, when limits of optional values are read, then they are there, and by their JSON names."""
    assert not {"ge", "le", "gt", "lt", "min_length", "max_length"} & set(keywords(description))
    chat = description["components"]["schemas"]["ChatCompletionRequest"]["properties"]
    assert chat["max_tokens"]["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 1_000_000}
    for name, operation in operations(description):
        for parameter in operation.get("parameters", ()):
            if parameter["name"] == "after":
                assert {"pattern", "minimum"} & set(parameter["schema"]), name


def test_bodies_refuse_unknown_fields_in_the_schema_too(description: dict[str, Any]) -> None:
    """Given the submission's schema, when read, then it is closed and gives an example that is valid."""
    schema = description["components"]["schemas"]["JobSubmission"]
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["question"]
    resolvable = schema | {"components": description["components"]}
    for example in schema["examples"]:
        jsonschema.Draft202012Validator(resolvable).validate(example)


async def test_answers_follow_their_schema(client: httpx.AsyncClient, description: dict[str, Any]) -> None:
    """Given real answers, when checked against the description, then they follow it."""
    job = (await client.post("/v1/jobs", json={"question": "q", "metadata": {"a": "b"}})).json()
    answers = {
        "JobView": job,
        "JobPage": (await client.get("/v1/jobs")).json(),
        "Problem": (await client.get("/v1/jobs/x")).json(),
        "ModelList": (await client.get("/v1/models")).json(),
        "ServiceOverview": (await client.get("/v1/overview")).json(),
        "Readiness": (await client.get("/readyz")).json(),
    }
    for name, answer in answers.items():
        schema = {"$ref": f"#/components/schemas/{name}", "components": description["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer)


async def test_the_description_and_its_page_are_served(client: httpx.AsyncClient) -> None:
    """Given the service, when /docs and /openapi.json are asked, then both are there."""
    assert (await client.get("/openapi.json")).json()["info"]["title"] == "FinanceLLM"
    assert "text/html" in (await client.get("/docs")).headers["content-type"]
