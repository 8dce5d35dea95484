// The OpenAPI 3.1 document of the HTTP API, from the table of its endpoints.
//
// Source: https://spec.openapis.org/oas/v3.1.1

import { toJsonSchema } from "@valibot/to-json-schema";
import type * as v from "valibot";
import { type ApiCode, codesOf, statusOf } from "./api-error.ts";
import type { Endpoint } from "./endpoint.ts";
import { endpoints } from "./endpoints.ts";
import { topicSchema } from "./publishes.ts";
import { userSchema } from "./user-endpoints.ts";

/** What may be wrong with every call. */
const commonErrors: readonly ApiCode[] = [
  "api.unauthorized",
  "rate.requests",
  "gateway.restarts",
  "request.malformed",
  "url.tooLong",
  "connection.bug",
];
/** With a body: how it arrives, and what it is. */
const bodyErrors: readonly ApiCode[] = [
  "api.invalid",
  "api.mediaType",
  "api.idempotency",
  "request.tooLarge",
  "request.tooSlow",
  "parked.total",
];

const inPath = { topic: topicSchema, user: userSchema };

/** @param base The path where it is served: "/api"; empty: at the root. */
export function openApiOf(base: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const endpoint of endpoints) {
    paths[endpoint.path] = { ...paths[endpoint.path], [endpoint.method.toLowerCase()]: operationOf(endpoint) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "thinstate",
      version: "1",
      description: "For programs that are no handlers: publishes to the clients of a thinstate gateway, and sends to users.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: base === "" ? "/" : base }],
    security: [{ key: [] }],
    paths,
    components: {
      securitySchemes: { key: { type: "http", scheme: "bearer", description: "A key of npm run api-key: ts_…" } },
      schemas: {
        Error: {
          type: "object",
          required: ["error", "message"],
          properties: {
            error: { type: "string", description: "A stable code" },
            message: { type: "string", description: "What was wrong, for people" },
          },
        },
      },
    },
  };
}

function operationOf(endpoint: Endpoint): object {
  const { name, summary, bodies, success } = endpoint;
  const hasBody = Object.keys(bodies).length > 0;
  return {
    operationId: name,
    summary,
    parameters: parametersOf(endpoint, hasBody),
    ...(hasBody && { requestBody: { required: true, content: contentOf(bodies) } }),
    responses: {
      [success.status]: { description: success.text, content: { "application/json": { schema: schemaOf(success.schema) } } },
      ...errorsOf([...commonErrors, ...(hasBody ? bodyErrors : []), ...endpoint.errors]),
    },
  };
}

function parametersOf({ path, query = {} }: Endpoint, hasBody: boolean): object[] {
  return [
    ...Object.entries(inPath)
      .filter(([name]) => path.includes(`{${name}}`))
      .map(([name, schema]) => ({ name, in: "path", required: true, schema: schemaOf(schema) })),
    ...Object.entries(query).map(([name, { schema, isRequired }]) => ({
      ...{ name, in: "query", required: isRequired },
      schema: schemaOf(schema),
    })),
    ...(hasBody
      ? [
          {
            name: "Idempotency-Key",
            in: "header",
            required: false,
            description: "A call that is sent again with the same key is answered as before, and not done again",
            schema: { type: "string", minLength: 1, maxLength: 257 },
          },
        ]
      : []),
  ];
}

function contentOf(bodies: Endpoint["bodies"]): object {
  return Object.fromEntries(
    Object.entries(bodies).map(([mediaType, body]) => {
      if (body === "bytes") return [mediaType, {}];
      return [mediaType, { schema: body === "text" ? { type: "string" } : schemaOf(body) }];
    }),
  );
}

function errorsOf(codes: readonly ApiCode[]): Record<string, object> {
  const schema = { $ref: "#/components/schemas/Error" };
  const statuses = [...new Set(codes.map(statusOf))].sort();
  return Object.fromEntries(
    statuses.map((status) => {
      const told = codesOf(status).filter((code) => codes.includes(code));
      const headers = status === 429 || status === 503 ? { headers: { "Retry-After": { schema: { type: "integer" } } } } : {};
      return [status, { description: told.join(", "), ...headers, content: { "application/json": { schema } } }];
    }),
  );
}

function schemaOf(schema: v.GenericSchema): object {
  // It names the dialect of JSON Schema that OpenAPI has anyway.
  const { $schema: _dialect, ...converted } = toJsonSchema(schema, { target: "draft-2020-12" });
  return converted;
}
