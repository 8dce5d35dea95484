// What a fault is.

import type { Shape } from "../../testbed/installation.ts";
import type { Scene } from "../scene.ts";

export interface Fault {
  /** For --fault. */
  readonly name: string;
  /** For the table. */
  readonly title: string;
  /** Where its installation differs from the usual one. */
  readonly shape?: Partial<Shape>;
  /** Whom it closes; without it, nobody may be. */
  readonly closes?: string;
  /** The longest silence on a quiet machine, beyond what was taken away for a time. */
  readonly goalMs?: number;
  /** Does it once. When it resolves, it has had its effect; the row then waits until the installation is whole again. */
  readonly strike: (scene: Scene) => Promise<void>;
}

export const usualShape: Shape = { workers: 2, gateways: 1, nats: "supervised" };

export function shapeOf({ shape }: Fault): Shape {
  return { ...usualShape, ...shape };
}
