// Whether a task runs in one worker: nothing of a lower fence is heard after a higher one, and each fence is of one worker.

import { Listener } from "./listener.ts";

export class TaskWatch {
  private readonly url: string;
  private readonly heard: string[] = [];
  private listener: Listener;

  private constructor(url: string, listener: Listener) {
    this.url = url;
    this.listener = listener;
  }

  static async listen(url: string): Promise<TaskWatch> {
    return new TaskWatch(url, await Listener.open(`${url}/produced`));
  }

  /** Resolves when somebody has the task. Its gateway may have gone. */
  async runs(): Promise<void> {
    const { closed, heard } = this.listener;
    if (closed !== undefined) {
      this.keep();
      this.listener = await Listener.open(`${this.url}/produced`);
      return this.runs();
    }
    const before = heard.length;
    await this.listener.until(() => heard.length > before, "the task runs");
  }

  /** @returns in words, what is wrong; empty: nothing. */
  verdict(): string[] {
    this.keep();
    return wrongProducers(this.heard);
  }

  async close(): Promise<void> {
    await this.listener.close();
  }

  private keep(): void {
    this.heard.push(...this.listener.heard.splice(0).map(({ text }) => text));
  }
}

/** @param heard By fence and worker, in the order in which they were heard. */
export function wrongProducers(heard: readonly string[]): string[] {
  const found: string[] = [];
  const workers = new Map<number, string>();
  let highest = 0;
  for (const text of heard) {
    const [number = "", worker = ""] = text.split(" ");
    const fence = Number(number);
    if (fence < highest) found.push(`${worker} has published with fence ${fence} behind ${highest}`);
    if ((workers.get(fence) ?? worker) !== worker) found.push(`fence ${fence} is of ${workers.get(fence)} and of ${worker}`);
    workers.set(fence, worker);
    highest = Math.max(highest, fence);
  }
  return found.length > 3 ? [...found.slice(0, 3), `and ${found.length - 3} more of the task`] : found;
}
