import { expect, test } from "vitest";
import { Running } from "./running.ts";

function part(name: string, ended: string[]) {
  return { name, end: () => Promise.resolve(void ended.push(name)) };
}

test("what is used ends after the action, the inner first", async () => {
  const ended: string[] = [];
  const running = new Running();
  const result = await running.use(Promise.resolve(part("outer", ended)), (outer) =>
    running.use(Promise.resolve(part("inner", ended)), (inner) => Promise.resolve(`${outer.name} and ${inner.name}`)),
  );
  expect(result).toBe("outer and inner");
  expect(ended).toEqual(["inner", "outer"]);
});

test("what is used ends where the action throws", async () => {
  const ended: string[] = [];
  const running = new Running();
  await expect(running.use(Promise.resolve(part("one", ended)), () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(ended).toEqual(["one"]);
});

test("what does not start throws its reason", async () => {
  await expect(new Running().use(Promise.reject(new Error("no port")), () => Promise.resolve())).rejects.toThrow("no port");
});
