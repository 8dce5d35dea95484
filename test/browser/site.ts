// The site with its demos, as `npm start` serves it, for tests in a browser.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { Installation } from "../../testbed/installation.ts";

/** By their folders, which are in their addresses: "chat" is at /demos/chat/. */
export const demos = readdirSync(join(import.meta.dirname, "../../examples/demos")).filter((name) => !["index", "site"].includes(name));

export class Site {
  readonly installation: Installation;

  private constructor(installation: Installation) {
    this.installation = installation;
  }

  static async start(): Promise<Site> {
    return new Site(
      await Installation.start({
        name: "browser",
        shape: { workers: 2, gateways: 1, nats: "supervised" },
        handlersDir: "worker/handlers",
        // What a test kills right after a deploy is no reason to roll back.
        env: { DEMOS: "1", WATCH_MS: "300" },
      }),
    );
  }

  /** @param path "/demos/chat/?name=Ada" */
  url(path: string): string {
    return new URL(path, this.installation.url.replace(/^ws/, "http")).href;
  }

  end(): Promise<void> {
    return this.installation.end();
  }
}
