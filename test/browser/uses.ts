// What two people do with each demo, and see of each other.

import { expect } from "vitest";
import { patienceMs } from "../../testbed/patience.ts";
import type { WatchedPage } from "./watched-page.ts";

/** The same demo, in the same room, in two browser contexts: they share nothing. */
export interface Pair {
  readonly ada: WatchedPage;
  readonly bob: WatchedPage;
}

/** Resolves when each of the two has seen what the other one did. `text` is a new one each time. */
type Use = (pair: Pair, text: string) => Promise<void>;

export const useChat: Use = async ({ ada, bob }, text) => {
  for (const [speaker, listener, said] of [
    [ada, bob, `${text}, says Ada`],
    [bob, ada, `${text}, says Bob`],
  ] as const) {
    await speaker.page.getByLabel("Message", { exact: true }).fill(said);
    await speaker.page.getByRole("button", { name: "Send" }).click();
    await listener.page.locator("#log").getByText(said, { exact: true }).waitFor();
  }
};

/** Four ticks come in a second. */
export const useTicker: Use = (pair) => goesOn(pair, "Number(document.getElementById('number').textContent.replaceAll(',', ''))", 4);

/** A hundred lines are written in a second, and each page counts those that it got. */
export const useTail: Use = (pair) => goesOn(pair, "Number(document.getElementById('received').value)", 100);

/** @param count Of what comes by itself, as each page shows it. */
async function goesOn({ ada, bob }: Pair, count: string, more: number): Promise<void> {
  const seesMore = async (watched: WatchedPage) => {
    await watched.until(`${count} > 0`);
    await watched.until(`${count} >= ${await watched.page.evaluate<number>(count)} + ${more}`);
  };
  await Promise.all([seesMore(ada), seesMore(bob)]);
}

/** What Ada writes into the first paragraph, Bob reads, and that she is writing. If he had it, he saves it first. She goes on editing. */
export const useEditor: Use = async ({ ada, bob }, text) => {
  const boxOf = ({ page }: WatchedPage) => page.getByRole("textbox", { name: "Paragraph 1" });
  if (await boxOf(bob).isVisible()) await bob.page.getByRole("button", { name: "Save, paragraph 1" }).click();
  if (!(await boxOf(ada).isVisible())) {
    await isEdited(ada).waitFor({ state: "hidden" });
    await ada.page.getByRole("button", { name: "Edit, paragraph 1" }).click();
  }
  await boxOf(ada).fill(text);
  await firstParagraph(bob).getByText(text, { exact: true }).waitFor();
  await isEdited(bob).waitFor();
};

export const firstParagraph = ({ page }: WatchedPage) => page.locator(".paragraph").first();

/** What others are told of the first paragraph while somebody edits it. */
export const isEdited = (watched: WatchedPage) => firstParagraph(watched).getByText("is editing this paragraph");

/** Ada asks, both answer, and each of them counts both. */
export const useExperiment: Use = async ({ ada, bob }, text) => {
  await ada.page.getByLabel("Question", { exact: true }).fill(text);
  await ada.page.getByRole("button", { name: "Ask" }).click();
  for (const { page } of [ada, bob]) await page.getByRole("heading", { name: text }).waitFor();
  await ada.page.getByRole("button", { name: "Tea" }).click();
  await bob.page.getByRole("button", { name: "Coffee" }).click();
  for (const { page } of [ada, bob]) await page.getByText("2 of 2 have answered").first().waitFor();
};

/** Each takes the tile in the middle from the other one, who sees it. */
export const useGame: Use = async ({ ada, bob }) => {
  for (const [walker, watcher] of [
    [ada, bob],
    [bob, ada],
  ] as const) {
    const name = new URL(walker.page.url()).searchParams.get("name");
    const canvas = walker.page.locator("#field canvas");
    await canvas.scrollIntoViewIfNeeded();
    const field = await canvas.boundingBox();
    if (field === null) throw new Error("the field is not shown");
    const middle = [field.x + field.width * 0.525, field.y + field.height * 0.55] as const;
    const home = [field.x + field.width * (name === "Ada" ? 0.125 : 0.875), middle[1]] as const;
    let steps = 0;
    const goAndLook = async () => {
      // Whoever stands on a tile has to leave it before it can be taken again.
      await walker.page.mouse.move(...(steps++ % 2 === 0 ? home : middle));
      return watcher.page.locator("#scores li").allTextContents();
    };
    await expect.poll(goAndLook, { timeout: patienceMs, interval: 100, message: `${name} has two tiles` }).toContain(`${name}2`);
  }
};

export const uses: Readonly<Record<string, Use>> = {
  chat: useChat,
  editor: useEditor,
  experiment: useExperiment,
  game: useGame,
  tail: useTail,
  ticker: useTicker,
};
