import { expect, test } from "vitest";
import { subjectsOf } from "../protocol/subjects.ts";
import { Speech } from "./speech.ts";

const subjects = subjectsOf("test");

test("a worker speaks where only workers may", () => {
  const speech = new Speech(subjects);
  expect(speech.link("g1")).toBe("test.link.worker.g1");
  speech.hear({ id: "g1", hearsWorkers: true });
  expect([speech.link("g1"), speech.members]).toEqual(["test.link.worker.g1", ["test.members.worker"]]);
});

test("a gateway of 0.2 is spoken to where it listens, as long as it is there, also if it was written to before its hello", () => {
  const speech = new Speech(subjects);
  expect(speech.link("g1")).toBe("test.link.worker.g1");
  speech.hear({ id: "g1" });
  speech.hear({ id: "g2", hearsWorkers: true });
  expect([speech.link("g1"), speech.link("g2")]).toEqual(["test.link.g1", "test.link.worker.g2"]);
  expect(speech.members).toEqual(["test.members.worker", "test.members"]);
  speech.forget("g1");
  expect(speech.members).toEqual(["test.members.worker"]);
});
