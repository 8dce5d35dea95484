// What every process measures of itself, gateway or worker: event loop, CPU, memory.

import { readFileSync } from "node:fs";
import { Durations, durationMetric } from "./durations.ts";
import { memoryUsage } from "./memory-usage.ts";
import { counter, gauge, type Metric } from "./metric.ts";

/** How often it is looked at how late a timer runs. */
const tickMs = 50;

export class ProcessMeter {
  private readonly label: { readonly process: string };
  private readonly lag = new Durations();
  private readonly timer: NodeJS.Timeout;
  private dueAt = performance.now() + tickMs;

  /** @param kind "gateway" or "worker": stands at each metric. */
  constructor(kind: string) {
    this.label = { process: kind };
    this.timer = setInterval(() => this.tick(), tickMs);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  read(): Metric[] {
    const { label } = this;
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed, heapTotal, external } = memoryUsage();
    const { active } = performance.eventLoopUtilization();
    const limit = openFilesLimit();
    return [
      durationMetric("thinstate_event_loop_lag_seconds", "How late timers ran, looked at every 50 ms.", [[label, this.lag]]),
      counter("thinstate_event_loop_busy_seconds_total", "Time in which the event loop was not idle; its rate is the load, from 0 to 1.", [
        [label, active / 1000],
      ]),
      counter("thinstate_cpu_seconds_total", "CPU time of the process, all threads.", [
        [{ ...label, mode: "user" }, user / 1e6],
        [{ ...label, mode: "system" }, system / 1e6],
      ]),
      gauge("thinstate_memory_bytes", "resident: all; heap_used and heap_total: JavaScript objects; external: buffers.", [
        [{ ...label, kind: "resident" }, rss],
        [{ ...label, kind: "heap_used" }, heapUsed],
        [{ ...label, kind: "heap_total" }, heapTotal],
        [{ ...label, kind: "external" }, external],
      ]),
      gauge("thinstate_start_time_seconds", "When the process started, in seconds since 1970.", [[label, performance.timeOrigin / 1000]]),
      ...(limit === undefined
        ? []
        : [gauge("thinstate_open_files_limit", "Sockets and files that the process may have open.", [[label, limit]])]),
    ];
  }

  // A loop that stood still for long has missed ticks: each is counted as late as it would have been.
  private tick(): void {
    const now = performance.now();
    for (let lateMs = Math.max(0, now - this.dueAt); lateMs >= 0; lateMs -= tickMs) this.lag.record(lateMs);
    this.dueAt = now + tickMs;
  }
}

/** The soft limit; undefined where Linux' /proc is missing. */
function openFilesLimit(): number | undefined {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return limit === undefined ? undefined : Number(limit);
  } catch {
    return undefined;
  }
}
