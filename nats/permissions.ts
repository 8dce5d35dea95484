// What each kind of process may say and hear over NATS: a server that is told so by its configuration refuses everything else.
// Compared with subjects.ts by a test.

import { historyStream, lockBucket, mostHistoryStreams, oneTimeBucket, subjectsOf, taskBucket } from "../protocol/subjects.ts";

/**
 * Gateways and workers; workers of releases that 0.2 has made, or whose gateways are of 0.2; who deploys and asks for the status; other
 * programs that publish to topics.
 */
export const roles = ["gateway", "worker", "olderWorker", "operator", "publisher"] as const;

export type Role = (typeof roles)[number];

/** Subjects, with NATS' wildcards: `*` is any one token. */
export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/**
 * A worker runs code that clients can reach, and packages that others have written. So it may speak as nothing but a worker: where
 * gateways and operators speak, and on the links of workers, it may only listen. An olderWorker may, since it knows no other subjects.
 *
 * Processes of one role share a user, and ids are new with each start, so each may write to the links of all: what is not from a
 * peer is refused by the link (docs/wire.md, section 5). Who may hear a link is not told apart within a role either.
 */
export function rightsOf(namespace: string): Readonly<Record<Role, Permissions>> {
  const subjects = subjectsOf(namespace);
  // Not by `subjects.topic`, which would encode the wildcard.
  const topics = (kind: "gateway" | "again" | "publish" | "*") => `${namespace}.topic.*.${kind}`;
  const members = [subjects.members, subjects.membersFromWorkers];
  const gatewayLinks = [subjects.link("*"), subjects.linkFromWorkers("*"), subjects.unheard("*", "*")];
  const questions = [subjects.asked("*"), subjects.answered("*"), `${namespace}.session.*`, subjects.sessions("*")];
  const buckets = [oneTimeBucket(namespace), taskBucket(namespace)].map(bucketRights);
  const stores = buckets.flatMap(({ look, use }) => [...look, ...use]);
  const leases = `$KV.${taskBucket(namespace)}.*`;
  const locks = bucketRights(lockBucket(namespace));
  const replies = `${subjects.replies}.*.*`;
  // Where JetStream publishes what it has stored, gateways only listen.
  const history = [`${namespace}.history.*.*.*`, ...historyRights(namespace)];
  return {
    gateway: {
      publish: [
        subjects.members,
        subjects.link("*"),
        topics("gateway"),
        topics("again"),
        subjects.repair,
        `${namespace}.repaired.*.*`,
        ...questions,
        subjects.scrape,
        ...history,
        ...locks.look,
        ...locks.make,
        ...locks.use,
        ...locks.remove,
      ],
      subscribe: [
        ...members,
        ...gatewayLinks,
        topics("*"),
        subjects.repair,
        `${namespace}.repaired.*.*`,
        ...questions,
        subjects.sessionUnheard("*", "*"),
        subjects.scraped("*"),
        subjects.deploys,
        replies,
        `$KV.${lockBucket(namespace)}.*`,
      ],
    },
    worker: {
      publish: [subjects.membersFromWorkers, subjects.linkFromWorkers("*"), subjects.scraped("*"), ...stores],
      subscribe: [...members, subjects.link("*"), subjects.scrape, replies, leases],
    },
    olderWorker: {
      publish: [...members, subjects.link("*"), subjects.linkFromWorkers("*"), subjects.scraped("*"), ...stores],
      subscribe: [...members, subjects.link("*"), subjects.scrape, replies, leases],
    },
    operator: {
      publish: [subjects.members, subjects.deploys, ...buckets.flatMap(({ look, make }) => [...look, ...make])],
      subscribe: [...members, replies],
    },
    publisher: { publish: [topics("publish")], subscribe: [] },
  };
}

/**
 * Of one bucket of JetStream. Whoever makes it may have NATS publish what is put there to any subject (`republish`), so workers do not.
 * Source: NATS' JetStream wire API, and ADR-8 for the bucket.
 */
function bucketRights(bucket: string): Readonly<Record<"look" | "make" | "use" | "remove", readonly string[]>> {
  const stream = `KV_${bucket}`;
  return {
    look: ["$JS.API.INFO", `$JS.API.STREAM.INFO.${stream}`],
    make: [`$JS.API.STREAM.CREATE.${stream}`],
    use: [`$JS.API.STREAM.MSG.GET.${stream}`, `$KV.${bucket}.*`],
    remove: [`$JS.API.STREAM.MSG.DELETE.${stream}`],
  };
}

/** Of the streams of history, which gateways make, read and remove: these and no others. Source: NATS' JetStream wire API. */
function historyRights(namespace: string): string[] {
  const names = Array.from({ length: mostHistoryStreams }, (_, index) => historyStream(namespace, index + 1));
  const calls = ["STREAM.INFO", "STREAM.CREATE", "STREAM.UPDATE", "STREAM.DELETE", "CONSUMER.CREATE"];
  return names.flatMap((name) => [
    ...calls.map((call) => `$JS.API.${call}.${name}`),
    `$JS.API.CONSUMER.MSG.NEXT.${name}.*`,
    `$JS.API.CONSUMER.DELETE.${name}.*`,
  ]);
}
