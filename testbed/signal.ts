// Waits for something that is looked at again whenever it may have changed.

export class Signal {
  private readonly listeners = new Set<() => void>();

  tell(): void {
    for (const listener of [...this.listeners]) listener();
  }

  /** @throws where it does not come true in time: `what` says what was waited for. */
  until(isSo: () => boolean, what: string | (() => string), patienceMs: number): Promise<void> {
    if (isSo()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        this.listeners.delete(look);
        settle();
      };
      const look = () => {
        if (isSo()) end(resolve);
      };
      const fail = () => new WaitedInVain(`waited ${patienceMs} ms in vain: ${typeof what === "string" ? what : what()}`);
      const timer = setTimeout(() => end(() => reject(fail())), patienceMs);
      this.listeners.add(look);
    });
  }
}

/** Something that had to happen did not: the system hangs, or the machine is far too slow. */
export class WaitedInVain extends Error {}
