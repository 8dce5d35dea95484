// Whoever edits a paragraph has it alone, and however that ends, nothing that was written is lost.

import { expect, test } from "vitest";
import { testHandler } from "../../../worker/testing.ts";
import editor from "./editor.ts";

const at = (name: string, doc = "minutes") => `/demos/editor/${doc}?name=${name}`;

test("one person edits a paragraph; the others are told who, and may edit the other paragraphs", async () => {
  const app = await testHandler(editor);
  const ada = await app.connect(at("Ada"));
  const bob = await app.connect(at("Bob"));
  bob.take();

  await ada.send({ type: "edit", paragraph: 1 });
  await bob.send({ type: "edit", paragraph: 1 });
  expect(bob.take()).toEqual([{ paragraph: 1, fence: 1, name: "Ada" }, { refused: 1 }]);

  await bob.send({ type: "edit", paragraph: 2 });
  expect(bob.take()).toMatchObject([{ granted: { paragraph: 2 } }]);
});

test("others see what is typed, and after it is saved, the paragraph is free", async () => {
  const app = await testHandler(editor);
  const ada = await app.connect(at("Ada"));
  const bob = await app.connect(at("Bob"));
  await ada.send({ type: "edit", paragraph: 0 });
  bob.take();

  await ada.send({ type: "text", text: "He" });
  await ada.send({ type: "save", text: "Hello" });
  await bob.send({ type: "edit", paragraph: 0 });

  expect(bob.take()).toMatchObject([
    { paragraph: 0, fence: 1, text: "He" },
    { paragraph: 0, fence: 1, text: "Hello", free: true },
    { granted: { paragraph: 0, fence: 2 } },
  ]);
});

test("those who come later see the latest text of each paragraph, and who edits", async () => {
  const app = await testHandler(editor);
  const ada = await app.connect(at("Ada"));
  await ada.send({ type: "edit", paragraph: 0 });
  await ada.send({ type: "save", text: "first" });
  await ada.send({ type: "edit", paragraph: 0 });
  await ada.send({ type: "save", text: "" });
  await ada.send({ type: "edit", paragraph: 2 });

  const bob = await app.connect(at("Bob"));
  expect(bob.take()).toMatchObject([
    { hello: { id: bob.id } },
    { paragraph: 0, fence: 2, text: "", free: true },
    { editors: [{ paragraph: 2, fence: 3, name: "Ada" }] },
  ]);
});

test("a browser that dies gives its paragraph back, and what it had typed is kept", async () => {
  const app = await testHandler(editor);
  const ada = await app.connect(at("Ada"));
  const bob = await app.connect(at("Bob"));
  await ada.send({ type: "edit", paragraph: 0 });
  await ada.send({ type: "text", text: "half a sen" });
  bob.take();

  await ada.close(1006);
  await bob.send({ type: "edit", paragraph: 0 });

  expect(bob.take()).toMatchObject([{ text: "half a sen", free: true }, { granted: { paragraph: 0 } }]);
  const eve = await app.connect(at("Eve"));
  expect(eve.take()).toMatchObject([{ hello: {} }, { text: "half a sen" }, { editors: [{ name: "Bob" }] }]);
});

test("a minute without a key gives the paragraph back; each key begins the minute anew", async () => {
  const app = await testHandler(editor);
  const ada = await app.connect(at("Ada"));
  await ada.send({ type: "edit", paragraph: 0 });
  app.advance(59_000);
  await ada.send({ type: "text", text: "a" });
  app.advance(59_000);
  await ada.send({ type: "text", text: "ab" });
  ada.take();

  app.advance(60_000);
  await expect.poll(() => ada.take()).toMatchObject([{ text: "ab", free: true }]);

  await ada.send({ type: "text", text: "too late" });
  expect(ada.take()).toEqual([]);
});

test("whoever begins with another paragraph ends the one before", async () => {
  const app = await testHandler(editor);
  const ada = await app.connect(at("Ada"));
  const bob = await app.connect(at("Bob"));
  await ada.send({ type: "edit", paragraph: 0 });
  await ada.send({ type: "text", text: "done?" });
  await ada.send({ type: "edit", paragraph: 1 });
  bob.take();

  await bob.send({ type: "edit", paragraph: 0 });
  expect(bob.take()).toMatchObject([{ granted: { paragraph: 0 } }]);
});

test("to have looked at a paragraph without writing anything does not take its text away", async () => {
  const app = await testHandler(editor);
  const ada = await app.connect(at("Ada"));
  await ada.send({ type: "edit", paragraph: 0 });
  await ada.send({ type: "save", text: "kept" });
  await ada.send({ type: "edit", paragraph: 0 });
  await ada.close();

  const bob = await app.connect(at("Bob"));
  expect(bob.take()).toMatchObject([{ hello: {} }, { text: "kept", free: true }, { editors: [] }]);
});

test("a deploy in the middle of an edit changes nothing but the release", async () => {
  const app = await testHandler(editor);
  const ada = await app.connect(at("Ada"));
  const bob = await app.connect(at("Bob"));
  await ada.send({ type: "edit", paragraph: 0 });
  await ada.send({ type: "text", text: "before" });
  ada.take();

  await app.deploy(editor);
  expect(ada.take()).toEqual([{ hello: { id: ada.id, release: "2" } }]);
  app.crashNext("before commit");
  await ada.send({ type: "text", text: "before, after" });
  await bob.send({ type: "edit", paragraph: 0 });

  expect(bob.take().at(-1)).toEqual({ refused: 0 });
  expect(ada.state).toMatchObject({ edit: { text: "before, after" } });
});

test("documents know nothing of each other", async () => {
  const app = await testHandler(editor);
  const ada = await app.connect(at("Ada", "one"));
  const bob = await app.connect(at("Bob", "two"));
  await ada.send({ type: "edit", paragraph: 0 });
  bob.take();
  await bob.send({ type: "edit", paragraph: 0 });
  expect(bob.take()).toMatchObject([{ granted: {} }]);
});

test("also one that is called like a paragraph of another", async () => {
  const app = await testHandler(editor);
  const ada = await app.connect(at("Ada", "one"));
  const bob = await app.connect(at("Bob", "one:0"));
  await bob.send({ type: "edit", paragraph: 1 });
  bob.take();
  await ada.send({ type: "edit", paragraph: 0 });
  await ada.send({ type: "text", text: "of one" });
  expect(bob.take()).toEqual([]);
});

test("to ask twice for the same paragraph changes nothing for the others", async () => {
  const app = await testHandler(editor);
  const ada = await app.connect(at("Ada"));
  const bob = await app.connect(at("Bob"));
  await ada.send({ type: "edit", paragraph: 0 });
  ada.take();
  bob.take();
  await ada.send({ type: "edit", paragraph: 0 });
  expect([ada.take(), bob.take()]).toMatchObject([[{ granted: { paragraph: 0, fence: 1 } }], []]);
});

test("what is no wish, a text that is too long, and names that are too long are refused", async () => {
  const app = await testHandler(editor);
  const ada = await app.connect(at("Ada"));
  ada.take();
  await ada.send({ type: "edit", paragraph: 3 });
  await ada.send({ type: "text", text: "x".repeat(2_001) });
  expect(ada.take()).toEqual([{ error: "message.invalid" }, { error: "message.invalid" }]);
  expect(ada.closed).toBeUndefined();
  expect((await app.refused(at("x".repeat(41)))).status).toBe(400);
  expect((await app.refused(at("Ada", "x".repeat(41)))).status).toBe(400);
});

test("a name is no user: whoever takes somebody's name takes nothing of what that user may do", async () => {
  const app = await testHandler(editor);
  const ada = await app.connect(at("Ada"));
  await ada.send({ type: "edit", paragraph: 0 });
  expect([ada.user, ada.state]).toMatchObject([undefined, { name: "Ada", edit: { name: "Ada" } }]);
  await ada.send({ type: "save", text: "Hello" });
  expect(ada.state).toEqual({ name: "Ada" });
});
