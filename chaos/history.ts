// Whether what topics have kept is whole: of each publisher without a gap or a double, and to its end where it is still there.

import { setTimeout as pause } from "node:timers/promises";
import { patienceMs } from "../testbed/patience.ts";

const lookMs = 100;

/** Who has published so many, to be kept. */
export interface Publisher {
  readonly id: string;
  readonly group: string;
  readonly published: number;
}

/**
 * @param url ws://…
 * @param publishers Those that are open: all that they have published is committed.
 * @returns in words, what is wrong; empty: nothing.
 */
export async function wrongHistory(url: string, publishers: readonly Publisher[]): Promise<string[]> {
  // What has committed last may not be stored yet.
  for (const until = Date.now() + patienceMs; ; await pause(lookMs)) {
    const found = await look(url, publishers);
    if (found.length === 0 || Date.now() > until) return found;
  }
}

async function look(url: string, publishers: readonly Publisher[]): Promise<string[]> {
  const found: string[] = [];
  for (const group of new Set(publishers.map((publisher) => publisher.group))) {
    const answer = await fetch(`${url.replace(/^ws/, "http")}/kept/${group}`);
    if (!answer.ok) return [`the history of group ${group} could not be read: ${answer.status} ${await answer.text()}`];
    const numbers = numbersOf((await answer.json()) as string[]);
    for (const [id, kept] of numbers) {
      const [first = 0] = kept;
      const wrong = kept.findIndex((number, index) => number !== first + index);
      if (wrong > 0) found.push(`in the history of group ${group}, ${id} has ${kept[wrong]} behind ${kept[wrong - 1]}`);
    }
    for (const { id, published } of publishers.filter((publisher) => publisher.group === group)) {
      const last = numbers.get(id)?.at(-1);
      if (published > 0 && last !== published)
        found.push(`the history of group ${group} has ${last} of ${published} that ${id} has published`);
    }
  }
  return found;
}

/** By publisher, in order. */
function numbersOf(entries: readonly string[]): Map<string, number[]> {
  const numbers = new Map<string, number[]>();
  for (const entry of entries) {
    const [id = "", number] = entry.split(" ");
    numbers.set(id, [...(numbers.get(id) ?? []), Number(number)]);
  }
  return numbers;
}
