"""Write the HTTP door's openapi.json from proto/, comments as descriptions; with --check compare instead."""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from generate_stubs import PROTO, ROOT, googleapis, wellknown
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from grpc_tools import protoc

TARGET = ROOT / "server" / "onrecord_server" / "http" / "openapi.json"

ABOUT = """\
The unary methods of the gRPC contract as JSON over HTTP: POST a request message to the method's path. Names of fields
are read in lowerCamelCase and snake_case and written in lowerCamelCase; 64-bit integers are written as strings. What
fails is told as a google.rpc.Status, with the details that gRPC callers get. Streams are not offered over HTTP."""

Json = dict[str, Any]
Scalar = FieldDescriptorProto

SCALARS: dict[int, Json] = {
    Scalar.TYPE_DOUBLE: {"type": "number", "format": "double"},
    Scalar.TYPE_FLOAT: {"type": "number", "format": "float"},
    Scalar.TYPE_INT32: {"type": "integer", "format": "int32"},
    Scalar.TYPE_UINT32: {"type": "integer", "format": "uint32"},
    Scalar.TYPE_INT64: {"type": "string", "format": "int64"},
    Scalar.TYPE_UINT64: {"type": "string", "format": "uint64"},
    Scalar.TYPE_BOOL: {"type": "boolean"},
    Scalar.TYPE_STRING: {"type": "string"},
    Scalar.TYPE_BYTES: {"type": "string", "format": "byte"},
}

# Messages that JSON has another form for, or that come without comments.
KNOWN: dict[str, Json] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?\d+(\.\d{1,9})?s$"},
    "google.protobuf.FieldMask": {"type": "string", "description": "Paths in lowerCamelCase, parted by commas."},
    "google.rpc.Status": {
        "type": "object",
        "description": "What went wrong. docs/errors.md lists every reason.",
        "properties": {
            "code": {"type": "integer", "format": "int32", "description": "The gRPC code, as in google.rpc.Code."},
            "message": {"type": "string", "description": "One line: what is wrong, and what to do."},
            "details": {
                "type": "array",
                "description": "One google.rpc.ErrorInfo; BadRequest, ResourceInfo and RetryInfo where they apply.",
                "items": {
                    "type": "object",
                    "properties": {"@type": {"type": "string", "description": "The detail's type."}},
                    "required": ["@type"],
                    "additionalProperties": True,
                },
            },
        },
    },
}

HEADERS: Json = {
    "Timeout": {
        "name": "Connect-Timeout-Ms",
        "in": "header",
        "description": "Milliseconds until the caller gives up. What cannot be done in time is refused.",
        "schema": {"type": "integer", "minimum": 0, "maximum": 9_999_999_999},
    },
    "RequestId": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Names the call in the server's log; the response carries it, or one that the server chose.",
        "schema": {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}$"},
    },
}


def descriptors() -> list[FileDescriptorProto]:
    """The contract's files, with their comments."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "contract.pb"
        code = protoc.main(
            [
                "protoc",
                f"-I{PROTO}",
                f"-I{googleapis()}",
                f"-I{wellknown()}",
                "--include_source_info",
                f"--descriptor_set_out={target}",
                *sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto")),
            ]
        )
        if code:
            sys.exit(code)
        return list(FileDescriptorSet.FromString(target.read_bytes()).file)


class Contract:
    """What is declared, by full name: (declaration, its file's comments, its path there)."""

    def __init__(self, files: list[FileDescriptorProto]) -> None:
        self.files = files
        self.comments: dict[tuple[str, tuple[int, ...]], str] = {}
        self.messages: dict[str, tuple[DescriptorProto, str, tuple[int, ...]]] = {}
        self.enums: dict[str, tuple[EnumDescriptorProto, str, tuple[int, ...]]] = {}
        for file in files:
            for location in file.source_code_info.location:
                self.comments[file.name, tuple(location.path)] = flowing(location.leading_comments)
            for index, message in enumerate(file.message_type):
                self._add(file, file.package, message, (4, index))
            for index, enum in enumerate(file.enum_type):
                self.enums[f"{file.package}.{enum.name}"] = (enum, file.name, (5, index))

    def _add(self, file: FileDescriptorProto, scope: str, message: DescriptorProto, path: tuple[int, ...]) -> None:
        name = f"{scope}.{message.name}"
        self.messages[name] = (message, file.name, path)
        for index, nested in enumerate(message.nested_type):
            self._add(file, name, nested, (*path, 3, index))
        for index, enum in enumerate(message.enum_type):
            self.enums[f"{name}.{enum.name}"] = (enum, file.name, (*path, 4, index))

    def comment(self, file: str, path: tuple[int, ...]) -> str:
        """What stands above a declaration."""
        return self.comments.get((file, path), "")


def flowing(comment: str) -> str:
    """A comment's paragraphs as lines of their own; what is indented keeps its lines."""
    paragraphs = re.split(r"\n(?=\n|\s{2,}\S)", "\n".join(line[1:] for line in f" {comment}".strip("\n").split("\n")))
    return "\n".join(" ".join(paragraph.split()) for paragraph in paragraphs).strip()


class Schemas:
    """JSON schemas of messages and enums, and of all that they refer to."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.made: dict[str, Json] = {}

    def reference(self, name: str) -> Json:
        """Where the schema of a message or an enum stands; makes it when it is not there."""
        if name not in self.made:
            self.made[name] = {}  # what refers to itself ends here
            self.made[name] = KNOWN.get(name) or self._enum(name) or self._message(name)
        return {"$ref": f"#/components/schemas/{name}"}

    def _enum(self, name: str) -> Json | None:
        if name not in self.contract.enums:
            return None
        enum, file, path = self.contract.enums[name]
        lines = [self.contract.comment(file, path)]
        for index, value in enumerate(enum.value):
            lines.append(f"- {value.name}: {self.contract.comment(file, (*path, 2, index))}")
        return {"type": "string", "enum": [value.name for value in enum.value], "description": "\n".join(lines)}

    def _message(self, name: str) -> Json:
        message, file, path = self.contract.messages[name]
        properties = {}
        for index, field in enumerate(message.field):
            text = self.contract.comment(file, (*path, 2, index))
            if field.HasField("oneof_index") and not field.proto3_optional:
                oneof = self.contract.comment(file, (*path, 8, field.oneof_index))
                text = f"{text} ({message.oneof_decl[field.oneof_index].name}: {oneof})"
            properties[field.json_name] = self._field(field) | {"description": text}
        return {"type": "object", "description": self.contract.comment(file, path), "properties": properties}

    def _field(self, field: FieldDescriptorProto) -> Json:
        kind = field.type_name.removeprefix(".")
        entry = self.contract.messages[kind][0] if kind in self.contract.messages else None
        if entry and entry.options.map_entry:
            return {"type": "object", "additionalProperties": self._one(entry.field[1])}
        one = self._one(field)
        return {"type": "array", "items": one} if field.label == field.LABEL_REPEATED else dict(one)

    def _one(self, field: FieldDescriptorProto) -> Json:
        return SCALARS.get(field.type) or self.reference(field.type_name.removeprefix("."))


def document() -> Json:
    """The whole description."""
    contract = Contract(descriptors())
    schemas = Schemas(contract)
    paths: Json = {}
    tags = []
    for file in contract.files:
        for index, service in enumerate(file.service):
            tags.append({"name": service.name, "description": contract.comment(file.name, (6, index))})
            for place, method in enumerate(service.method):
                if method.client_streaming or method.server_streaming:
                    continue
                text = contract.comment(file.name, (6, index, 2, place))
                paths[f"/{file.package}.{service.name}/{method.name}"] = {
                    "post": {
                        "operationId": f"{service.name}_{method.name}",
                        "tags": [service.name],
                        "summary": re.split(r"(?<=[.;:])\s", text, maxsplit=1)[0],
                        "description": text,
                        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in HEADERS],
                        "requestBody": body(schemas.reference(method.input_type[1:])) | {"required": True},
                        "responses": {
                            "200": body(schemas.reference(method.output_type[1:]), "The answer."),
                            "default": body(schemas.reference("google.rpc.Status"), "What went wrong."),
                        },
                    }
                }
    return {
        "openapi": "3.1.0",
        "info": {"title": "onrecord", "version": "v1", "description": " ".join(ABOUT.split())},
        "tags": tags,
        "security": [{}, {"token": []}],
        "paths": dict(sorted(paths.items())) | {"/healthz": health()},
        "components": {
            "schemas": dict(sorted(schemas.made.items())),
            "parameters": HEADERS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "When the server has a --token-file."}
            },
        },
    }


def body(schema: Json, description: str = "") -> Json:
    """A JSON body of a request or a response."""
    return ({"description": description} if description else {}) | {"content": {"application/json": {"schema": schema}}}


def health() -> Json:
    """What is at /healthz."""
    status = {"type": "object", "properties": {"status": {"type": "string", "enum": ["SERVING", "NOT_SERVING"]}}}
    return {
        "get": {
            "operationId": "health",
            "summary": "Whether the server answers; needs no token.",
            "security": [{}],
            "responses": {
                "200": body(status, "It answers."),
                "503": body(status, "It is loading its models, or about to stop."),
            },
        }
    }


def main() -> int:
    """Entry point. Exit status 1: --check found the file stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when the file is stale")
    check = parser.parse_args().check
    text = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    if not check:
        TARGET.write_text(text, encoding="utf-8")
    elif not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
        print(f"stale, run `make proto`: {TARGET.relative_to(ROOT)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
