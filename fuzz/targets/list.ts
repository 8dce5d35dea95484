import type { Target } from "../target.ts";
import { announcements } from "./announcements.ts";
import { damaged, toGateways, toWorkers } from "./batches.ts";
import { control } from "./control.ts";
import { decoders } from "./decoders.ts";
import { frames } from "./frames.ts";
import { heads } from "./heads.ts";

export const targets: readonly Target[] = [heads, frames, toWorkers, toGateways, damaged, announcements, control, decoders];
