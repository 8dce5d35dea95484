import * as v from "valibot";
import { expect, test } from "vitest";
import { CodedError } from "../protocol/errors.ts";
import { validate, validateNow } from "./schema.ts";

const slow = v.pipeAsync(
  v.string(),
  v.checkAsync(async (value) => value !== "bad", "is bad"),
);

test("what does not fit is thrown with every issue and its path", () => {
  const schema = v.object({ list: v.array(v.object({ a: v.number() })), b: v.literal(1, "must be 1") });
  expect(validate(schema, { list: [{ a: 1 }], b: 1 }, "message.invalid")).toEqual({ list: [{ a: 1 }], b: 1 });
  try {
    validate(schema, { list: [{ a: "x" }], b: 2 }, "message.invalid");
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(CodedError);
    expect(error).toMatchObject({ code: "message.invalid", issues: [{ path: "list.0.a" }, { path: "b", message: "must be 1" }] });
  }
});

test("an asynchronous schema gives a promise, where one can wait", async () => {
  await expect(validate(slow, "good", "message.invalid")).resolves.toBe("good");
  await expect(validate(slow, "bad", "message.invalid")).rejects.toThrow("message.invalid: is bad");
  expect(() => validateNow(slow, "good", "state.invalid")).toThrow(/^state\.invalid: the schema is asynchronous/);
});
