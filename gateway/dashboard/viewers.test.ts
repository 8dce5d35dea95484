import { expect, test } from "vitest";
import { eventText, mostViewers, Viewers } from "./viewers.ts";

class Stream {
  writableLength = 0;
  text = "";
  isCut = false;

  write(text: string): void {
    this.text += text;
  }

  destroy(): void {
    this.isCut = true;
  }
}

test("all viewers get the same", () => {
  const viewers = new Viewers();
  const [first, second] = [new Stream(), new Stream()];
  viewers.add(first);
  viewers.add(second);
  viewers.send("a");
  viewers.remove(first);
  viewers.send("b");
  expect([first.text, second.text]).toEqual(["a", "ab"]);
});

test("one that does not read is cut off, and no other", () => {
  const viewers = new Viewers();
  const [slow, quick] = [new Stream(), new Stream()];
  viewers.add(slow);
  viewers.add(quick);
  slow.writableLength = 2 * 1024 * 1024;
  viewers.send("a");
  viewers.send("b");
  expect(slow).toMatchObject({ text: "", isCut: true });
  expect(quick).toMatchObject({ text: "ab", isCut: false });
  expect(viewers.size).toBe(1);
});

test("there is room for so many", () => {
  const viewers = new Viewers();
  for (let index = 0; index < mostViewers - 1; index++) viewers.add(new Stream());
  expect(viewers.isFull).toBe(false);
  viewers.add(new Stream());
  expect(viewers.isFull).toBe(true);
});

test("an event is one line of data, whatever the data has", () => {
  expect(eventText("errors", ["a\nb\r\n\n"])).toBe('event: errors\ndata: ["a\\nb\\r\\n\\n"]\n\n');
});
