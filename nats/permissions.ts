// What each kind of process may say and hear over NATS: a server that is told so by its configuration refuses everything else.
// Compared with subjects.ts by a test.

import { oneTimeBucket, subjectsOf } from "../protocol/subjects.ts";

/** Gateways and workers; who deploys and asks for the status; other programs that publish to topics. */
export const roles = ["gateway", "worker", "operator", "publisher"] as const;

export type Role = (typeof roles)[number];

/** Subjects, with NATS' wildcards: `*` is any one token. */
export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/**
 * Processes of one role share a user, and ids are new with each start, so each may write to the links of all: what is not from a
 * peer is refused by the link (docs/wire.md, section 5). Who may hear a link is not told apart within a role either.
 */
export function rightsOf(namespace: string): Readonly<Record<Role, Permissions>> {
  const subjects = subjectsOf(namespace);
  // Not by `subjects.topic`, which would encode the wildcard.
  const topics = (kind: "gateway" | "again" | "publish" | "*") => `${namespace}.topic.*.${kind}`;
  const linked = {
    publish: [subjects.members, subjects.link("*")],
    subscribe: [subjects.members, subjects.link("*"), subjects.unheard("*", "*")],
  };
  return {
    gateway: {
      publish: [...linked.publish, topics("gateway"), topics("again"), subjects.repair, `${namespace}.repaired.*.*`, subjects.scrape],
      subscribe: [...linked.subscribe, topics("*"), subjects.repair, `${namespace}.repaired.*.*`, subjects.scraped("*")],
    },
    worker: {
      publish: [...linked.publish, subjects.scraped("*"), ...bucketRights(oneTimeBucket(namespace))],
      subscribe: [subjects.members, subjects.link("*"), subjects.scrape, `${subjects.replies}.*.*`],
    },
    operator: { publish: [subjects.members], subscribe: [subjects.members] },
    publisher: { publish: [topics("publish")], subscribe: [] },
  };
}

/** To make one bucket of JetStream, and to read and write its values. Source: NATS' JetStream wire API, and ADR-8 for the bucket. */
function bucketRights(bucket: string): string[] {
  const stream = `KV_${bucket}`;
  const calls = ["INFO", `STREAM.INFO.${stream}`, `STREAM.CREATE.${stream}`, `STREAM.MSG.GET.${stream}`];
  return [...calls.map((call) => `$JS.API.${call}`), `$KV.${bucket}.*`];
}
