// The config file of the nats-server that we start. Only core NATS is used, so there is nothing on disk but logs.

import { join } from "node:path";

export interface NatsFiles {
  readonly config: string;
  readonly log: string;
  readonly pid: string;
}

export function natsFiles(folder: string): NatsFiles {
  return { config: join(folder, "nats-server.conf"), log: join(folder, "nats-server.log"), pid: join(folder, "nats-server.pid") };
}

/** What every server of ours has. */
export const natsLimits = `# What a batch between gateway and worker may have: links cut theirs to what the server says here.
max_payload: 1MB

# Bytes waiting for one client before it is thrown out as slow. Links bound what is under way, so this is for a worker
# that is busy for a moment while many connections write to it; the default of 64 MB is met by eight full links.
max_pending: 256MB

# As long as a worker may be stopped, by a debugger or by a machine that swaps, before it loses its connection.
write_deadline: "10s"

# A peer that vanished without closing is noticed after two of these.
ping_interval: "5s"
ping_max: 2

# A gateway has a subscription for each topic with a local subscriber.
max_subscriptions: 0
max_connections: 65536
`;

/** Understood by nats-server 2.9 (Debian 12) and later. */
export function natsConfiguration(port: number, files: NatsFiles): string {
  return `# Written at each start of thinstate; what you change here is lost.

# Loopback only: there is no password.
listen: "127.0.0.1:${port}"

pid_file: ${JSON.stringify(files.pid)}
log_file: ${JSON.stringify(files.log)}
logfile_size_limit: 10MB

${natsLimits}`;
}
