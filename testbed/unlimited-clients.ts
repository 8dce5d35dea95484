// Settings with which clients may send, and connect, as fast as they can: those of benches, of faults and of tests that are about something
// else. Each limit is asked all the same, so that its cost is measured.

export const unlimitedClients = {
  MESSAGES_PER_SECOND: "0",
  BYTES_PER_SECOND: "0",
  PINGS_PER_SECOND: "0",
  UPGRADES_PER_SECOND: "0",
} as const;
