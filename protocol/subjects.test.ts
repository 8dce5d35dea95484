import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkTopic, decodeTopic, encodeTopic, isNamespace, subjectsOf, topicLimitBytes } from "./subjects.ts";

// Well-formed text of any planes, and text made of what subjects and their escapes are made of.
const anyTopic = fc
  .oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 100 }),
    fc.string({ unit: fc.constantFrom(".", "*", ">", "=", "%", " ", "\t", "\r\n", "\0", "a", "2", "é"), minLength: 1, maxLength: 100 }),
  )
  .filter((topic) => Buffer.byteLength(topic) <= topicLimitBytes && topic.isWellFormed());

describe("a topic is one token of a subject", () => {
  test("that stands for it, is never a wildcard, and stays below NATS' control line", () => {
    fc.assert(
      fc.property(anyTopic, (topic) => {
        checkTopic(topic);
        const token = encodeTopic(topic);
        expect(decodeTopic(token)).toBe(topic);
        expect(token).toMatch(/^[A-Za-z0-9_=-]+$/);
        expect(token.length).toBeLessThanOrEqual(3 * topicLimitBytes);
      }),
      { numRuns: 1_000 },
    );
  });

  test.each([
    ["room-1_A", "room-1_A"],
    ["room:blue", "room=3Ablue"],
    ["a.b", "a=2Eb"],
    ["*", "=2A"],
    [">", "=3E"],
    ["=", "=3D"],
    ["%41", "=2541"],
    [" \r\n", "=20=0D=0A"],
    ["é", "=C3=A9"],
    ["😀", "=F0=9F=98=80"],
  ])("%j is %s", (topic, token) => {
    expect(encodeTopic(topic)).toBe(token);
    expect(decodeTopic(token)).toBe(topic);
  });
});

describe("a topic is refused", () => {
  test.each([
    ["that is empty", "", "a topic is a string that is not empty"],
    ["of 257 letters", "a".repeat(257), "at most 256 bytes, this one has 257"],
    ["of 257 bytes in fewer letters", `a${"é".repeat(128)}`, "at most 256 bytes, this one has 257"],
    ["with a lone surrogate", "a\ud800", "well-formed"],
    ["that is no string", 7 as unknown as string, "a topic is a string"],
  ])("%s", (_, topic, text) => {
    expect(() => checkTopic(topic)).toThrow(/^topic\.invalid: /);
    expect(() => checkTopic(topic)).toThrow(text);
  });

  test.each(["a".repeat(256), "é".repeat(128), "😀".repeat(64)])("and not one of exactly 256 bytes", (topic) => {
    expect(() => checkTopic(topic)).not.toThrow();
  });
});

test("every subject starts with its namespace", () => {
  const subjects = subjectsOf("blue.2");
  expect(subjects.members).toBe("blue.2.members");
  expect(subjects.link("w1")).toBe("blue.2.link.w1");
  expect(subjects.topic("a.b")).toBe("blue.2.topic.a=2Eb.*");
  expect(subjects.topicFromGateways("a.b")).toBe("blue.2.topic.a=2Eb.gateway");
  expect(subjects.topicFromOutside("a.b")).toBe("blue.2.topic.a=2Eb.publish");
});

test.each(["thinstate", "a.b", "A-1_.x", "a".repeat(64)])("%s is a namespace", (text) => {
  expect(isNamespace(text)).toBe(true);
});

test.each(["", ".", "a.", ".a", "a..b", "*", "a.>", "a b", "a\n", "é", "a".repeat(65)])("%j is no namespace", (text) => {
  expect(isNamespace(text)).toBe(false);
});
