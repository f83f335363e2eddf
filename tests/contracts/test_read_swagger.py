"""Swagger 2.0 in the shape of OpenAPI 3.0, with the way back to the author's file."""

from __future__ import annotations

from tillgate_contracts.reading import Document, read

SWAGGER = b"""swagger: '2.0'
info: {title: Stock, version: '1'}
host: api.example.com
basePath: /v1
schemes: [https, http]
consumes: [application/json]
produces: [application/json, application/xml]
parameters:
  Page: {name: page, in: query, type: integer, maximum: 10}
  Body: {name: body, in: body, required: true, schema: {$ref: '#/definitions/Item'}}
  Note: {name: note, in: formData, type: string}
responses:
  NotFound: {description: none, schema: {$ref: '#/definitions/Error'}}
paths:
  /items:
    parameters:
      - {name: X-Store, in: header, type: string, required: true}
    get:
      parameters:
        - $ref: '#/parameters/Page'
        - {name: ids, in: query, type: array, items: {type: string}, collectionFormat: multi}
        - {name: tags, in: query, type: array, items: {type: string}}
      responses:
        200:
          description: items
          schema: {type: array, items: {$ref: '#/definitions/Item'}}
          headers: {X-Total: {type: integer, description: all}}
          examples: {application/json: [{id: a}]}
        404: {$ref: '#/responses/NotFound'}
    post:
      parameters: [{$ref: '#/parameters/Body'}]
      responses: {201: {description: made}}
  /upload:
    post:
      consumes: [multipart/form-data]
      produces: [text/plain]
      parameters:
        - {name: file, in: formData, type: file, required: true}
        - {name: kinds, in: formData, type: array, items: {type: string}, collectionFormat: pipes}
        - $ref: '#/parameters/Note'
      responses:
        200: {description: done, schema: {type: file}}
        404: {$ref: '#/responses/NotFound'}
        500: {description: broken, schema: {$ref: '#/paths/~1items/get/responses/200/schema'}}
definitions:
  Item:
    type: object
    discriminator: kind
    required: [kind]
    properties:
      kind: {type: string}
      discriminator: {type: string, x-nullable: true}
      parent: {$ref: '#/definitions/Item'}
  Error: {type: object}
securityDefinitions:
  basic: {type: basic}
  oauth: {type: oauth2, flow: accessCode, authorizationUrl: 'https://a', tokenUrl: 'https://t', scopes: {read: r}}
security: [{basic: []}]
"""


def lifted() -> Document:
    return read(SWAGGER, name="swagger.yaml")


def test_parameters_keep_place_schema_and_wire_format() -> None:
    document = lifted()
    get = document.tree["paths"]["/items"]["get"]
    assert get["parameters"][0] == {"$ref": "#/components/parameters/Page"}
    assert document.resolve("#/components/parameters/Page") == {
        "name": "page",
        "in": "query",
        "schema": {"type": "integer", "maximum": 10},
    }
    assert (get["parameters"][1]["style"], get["parameters"][1]["explode"]) == ("form", True)
    assert (get["parameters"][2]["style"], get["parameters"][2]["explode"]) == ("form", False)
    assert document.tree["paths"]["/items"]["parameters"][0]["required"] is True


def test_bodies_and_forms_become_request_bodies() -> None:
    paths = lifted().tree["paths"]
    body = paths["/items"]["post"]["requestBody"]
    assert body["required"] is True
    assert body["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Item"}
    form = paths["/upload"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert form["schema"]["required"] == ["file"]
    assert form["schema"]["properties"]["file"] == {"type": "string", "format": "binary"}
    assert form["encoding"]["kinds"] == {"style": "pipeDelimited", "explode": False}
    assert set(form["schema"]["properties"]) == {"file", "kinds", "note"}


def test_responses_have_one_content_per_media_type_and_shared_ones_follow_the_operation() -> None:
    document = lifted()
    found = document.tree["paths"]["/items"]["get"]["responses"]["200"]
    assert set(found["content"]) == {"application/json", "application/xml"}
    assert found["content"]["application/json"]["example"] == [{"id": "a"}]
    assert found["headers"]["X-Total"] == {"schema": {"type": "integer"}, "description": "all"}
    upload = document.tree["paths"]["/upload"]["post"]["responses"]
    assert set(upload["404"]["content"]) == {"text/plain"}
    assert document.tree["paths"]["/items"]["get"]["responses"]["404"] == {"$ref": "#/components/responses/NotFound"}
    inner = upload["500"]["content"]["text/plain"]["schema"]["$ref"]
    assert document.resolve(inner) == {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}


def test_schemas_take_the_spelling_of_openapi_3() -> None:
    item = lifted().tree["components"]["schemas"]["Item"]
    assert item["discriminator"] == {"propertyName": "kind"}
    assert item["properties"]["discriminator"] == {"type": "string", "nullable": True}
    assert item["properties"]["parent"] == {"$ref": "#/components/schemas/Item"}


def test_servers_and_security_are_lifted() -> None:
    document = lifted()
    assert document.servers == ("https://api.example.com/v1", "http://api.example.com/v1")
    assert dict(document.security_schemes) == {"basic": "http basic", "oauth": "oauth2 (authorizationCode)"}
    assert document.problems == ()


def test_every_moved_place_leads_back_to_the_authors_line() -> None:
    document = lifted()
    assert document.origin("/components/schemas/Item/properties/kind") == "/definitions/Item/properties/kind"
    assert document.origin("/paths/~1items/get/parameters/1/schema/items") == "/paths/~1items/get/parameters/1/items"
    assert (
        document.origin("/paths/~1items/post/requestBody/content/application~1json/schema") == "/parameters/Body/schema"
    )
    assert (
        document.origin("/paths/~1items/get/responses/200/content/application~1json/schema/items")
        == "/paths/~1items/get/responses/200/schema/items"
    )
    lines = SWAGGER.decode().splitlines()
    line = document.pointer_line(
        "/paths/~1upload/post/requestBody/content/multipart~1form-data/schema/properties/kinds"
    )
    assert line is not None
    assert "name: kinds" in lines[line - 1]


def test_the_source_is_not_changed_and_a_stored_swagger_is_lifted_again() -> None:
    document = lifted()
    assert document.source["definitions"]["Item"]["discriminator"] == "kind"
    again = Document.from_canonical(document.canonical)
    assert again.format == "openapi-2.0"
    assert again.tree == document.tree
