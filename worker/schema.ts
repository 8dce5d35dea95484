// Standard Schemas as we use them: one function that validates, the types that come out of a schema, and a schema for
// people who have no library. https://standardschema.dev

import type { StandardSchemaV1 } from "@standard-schema/spec";
import { CodedError } from "../protocol/errors.ts";

export type Schema = StandardSchemaV1;

/** What a schema makes of a value; `Without` where there is no schema. */
export type OutputOf<S extends Schema | undefined, Without> = S extends Schema ? StandardSchemaV1.InferOutput<S> : Without;

/** What a schema takes; `Without` where there is no schema. */
export type InputOf<S extends Schema | undefined, Without> = S extends Schema ? StandardSchemaV1.InferInput<S> : Without;

type Primitive = string | number | bigint | boolean | symbol | null | undefined;
// biome-ignore lint/complexity/noBannedTypes: any function at all.
type Opaque = Primitive | Function | Date | ArrayBuffer | ArrayBufferView;

/** A value that a turn cannot change by mistake. Dates and bytes stay as they are: no type makes those readonly. */
export type DeepReadonly<Value> = unknown extends Value
  ? Value
  : Value extends Opaque
    ? Value
    : Value extends ReadonlyMap<infer Key, infer Entry>
      ? ReadonlyMap<DeepReadonly<Key>, DeepReadonly<Entry>>
      : Value extends ReadonlySet<infer Entry>
        ? ReadonlySet<DeepReadonly<Entry>>
        : { readonly [Key in keyof Value]: DeepReadonly<Value[Key]> };

/**
 * A schema that believes its caller: `state: type<{ name: string }>({ name: "guest" })`.
 * @param initial the state of a new connection, copied for each. Without it, onUpgrade or migrate has to provide one.
 */
export function type<Value>(initial?: Value): StandardSchemaV1<Value, Value> {
  return {
    "~standard": {
      version: 1,
      vendor: "thinstate",
      validate(value) {
        if (value !== undefined) return { value: value as Value };
        if (initial !== undefined) return { value: structuredClone(initial) };
        return { issues: [{ message: "is missing" }] };
      },
    },
  };
}

/** Codes that a value which does not fit is thrown with. */
export type ValidationCode = "state.invalid" | "state.incompatible" | "message.invalid" | "auth.refused";

/**
 * @returns what the schema makes of the value; a promise of it only where the schema is asynchronous.
 * @throws {CodedError} `code`, with the schema's issues by path; a promise rejects with it.
 */
export function validate(schema: Schema, value: unknown, code: ValidationCode): unknown {
  let result: ReturnType<Schema["~standard"]["validate"]>;
  try {
    result = schema["~standard"].validate(value);
  } catch (error) {
    throw tooDeep(error, code) ?? error;
  }
  if (!(result instanceof Promise)) return unwrap(result, code);
  return result.then(
    (settled) => unwrap(settled, code),
    (error) => {
      throw tooDeep(error, code) ?? error;
    },
  );
}

// A recursive schema follows a value as far as that goes, and a client may send ten thousand brackets.
function tooDeep(error: unknown, code: ValidationCode): CodedError | undefined {
  if (!(error instanceof RangeError) || !/call stack/i.test(error.message)) return undefined;
  return new CodedError(code, "is nested too deeply for the schema", { cause: error });
}

/** As `validate`, for a place where nothing may wait. @throws {CodedError} `code`, also where the schema is asynchronous. */
export function validateNow(schema: Schema, value: unknown, code: ValidationCode): unknown {
  const result = schema["~standard"].validate(value);
  if (result instanceof Promise) {
    result.catch(() => undefined);
    throw new CodedError(code, "the schema is asynchronous, and this one must not be");
  }
  return unwrap(result, code);
}

function unwrap(result: StandardSchemaV1.Result<unknown>, code: ValidationCode): unknown {
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map(({ path, message }) => ({ path: dottedPath(path), message }));
  throw new CodedError(code, issues.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`)).join("; "), { issues });
}

function dottedPath(path: StandardSchemaV1.Issue["path"]): string {
  return (path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join(".");
}
