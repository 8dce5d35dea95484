// What clients are refused with that are not let in, or whose request nobody gets: a status and an error's code.

export const urlTooLong = { status: 414, code: "url.tooLong" } as const;
export const full = { status: 503, code: "gateway.full" } as const;
export const tooMany = { status: 503, code: "upgrade.tooMany" } as const;
export const tooFast = { status: 429, code: "rate.requests" } as const;
export const restarts = { status: 503, code: "gateway.restarts" } as const;
/** Its handler has been told, and answers the same again. */
export const missingTwice = { status: 404, code: "session.unknown" } as const;
export const noSession = { status: 400, code: "session.unknown" } as const;
export const unanswered = { status: 503, code: "session.unanswered" } as const;
export const undecided = { status: 503, code: "upgrade.parked" } as const;
export const broken = { status: 500, code: "envelope.malformed" } as const;
export const bug = { status: 500, code: "connection.bug" } as const;
