// The phases of a connection on its way from worker to worker: what may happen in each, and what follows. This is the whole of it;
// docs/architecture.md shows it as a table. Pure: dispatcher.ts finds out what has happened, transitions.ts carries out the
// actions.

/**
 * parked: no worker has it. It gets one as soon as one can be had.
 * pinned: a worker has it.
 * leaving: a worker has it, and was asked to give it back.
 * suspect: no worker has it. Two were lost with its events in hand. It waits until it is known whether they died; if they did, it waits
 *   for its turn to run alone.
 * quarantined: a worker has it, and is given nothing else.
 * ended: its last event has committed, or nobody is left to run it.
 */
export type Phase = "parked" | "pinned" | "leaving" | "suspect" | "quarantined" | "ended";

/**
 * given: a worker was chosen for it.
 * askedBack: its worker should not have it any more.
 * givenBack: its worker has given it back.
 * broken: a bug met it. Its worker's view of it is not trusted any more.
 * lost: its worker was lost.
 * lostBroken: a bug met it while it was still with a worker that was lost.
 * forgotten: its worker was lost, and workers run its onClose in this gateway's stead.
 * suspected: two workers were lost with its events in hand.
 * cleared: its events have committed, or fewer than two of these workers have died.
 * convicted: a worker died of its first event, or of adopting it.
 * abandoned: no worker can run its onClose: none of the active release serves its path, or it has met a second bug.
 * ended: its last event has committed, or nobody is left to run it.
 */
export type PhaseEvent =
  | "given"
  | "askedBack"
  | "givenBack"
  | "broken"
  | "lost"
  | "lostBroken"
  | "forgotten"
  | "suspected"
  | "cleared"
  | "convicted"
  | "abandoned"
  | "ended";

/**
 * pin: the worker is told of it, and given its events.
 * askBack: the worker is asked for it.
 * dismiss: its worker is told that it has it no more.
 * takeBack: what the worker has not committed is parked again, in its place.
 * redeliver: the same, and it is marked as redelivered. If the worker may have died of it, that is recorded.
 * place: a worker is chosen for it, unless it is a suspect.
 * judge: if it is known of all lost workers whether they died, it is cleared, convicted or queued to run alone. Else it waits.
 * setAside: its first event is dropped as poison, and its socket closed.
 * close: its socket is closed because of the bug.
 * leave: its socket is closed, and its events are dropped: workers run its onClose.
 * abandon: the same, but nobody runs its onClose.
 * endQuarantine: its worker runs the next suspect, or is free for everybody.
 * forget: nothing refers to it any more.
 */
export type Action =
  | "pin"
  | "askBack"
  | "dismiss"
  | "takeBack"
  | "redeliver"
  | "place"
  | "judge"
  | "setAside"
  | "close"
  | "leave"
  | "abandon"
  | "endQuarantine"
  | "forget";

export type Transition = readonly [next: Phase, actions: readonly Action[]];

export const phaseTable: Readonly<Record<Phase, Partial<Record<PhaseEvent, Transition>>>> = {
  parked: {
    given: ["pinned", ["pin"]],
    suspected: ["suspect", ["judge"]],
    broken: ["parked", ["close"]],
    abandoned: ["ended", ["abandon", "forget"]],
    ended: ["ended", ["forget"]],
  },
  pinned: {
    askedBack: ["leaving", ["askBack"]],
    broken: ["parked", ["dismiss", "takeBack", "close", "place"]],
    lost: ["parked", ["redeliver", "place"]],
    lostBroken: ["parked", ["redeliver", "close", "place"]],
    forgotten: ["ended", ["redeliver", "leave", "forget"]],
    abandoned: ["ended", ["dismiss", "takeBack", "abandon", "forget"]],
    ended: ["ended", ["forget"]],
  },
  leaving: {
    givenBack: ["parked", ["takeBack", "place"]],
    broken: ["parked", ["dismiss", "takeBack", "close", "place"]],
    lost: ["parked", ["redeliver", "place"]],
    lostBroken: ["parked", ["redeliver", "close", "place"]],
    forgotten: ["ended", ["redeliver", "leave", "forget"]],
    abandoned: ["ended", ["dismiss", "takeBack", "abandon", "forget"]],
    ended: ["ended", ["forget"]],
  },
  suspect: {
    given: ["quarantined", ["pin"]],
    cleared: ["parked", ["place"]],
    convicted: ["parked", ["setAside", "place"]],
    broken: ["suspect", ["close"]],
    abandoned: ["ended", ["abandon", "forget"]],
    ended: ["ended", ["forget"]],
  },
  quarantined: {
    cleared: ["pinned", ["endQuarantine"]],
    broken: ["suspect", ["dismiss", "takeBack", "close", "endQuarantine", "judge"]],
    lost: ["suspect", ["redeliver", "endQuarantine", "judge"]],
    lostBroken: ["suspect", ["redeliver", "close", "endQuarantine", "judge"]],
    forgotten: ["ended", ["redeliver", "leave", "forget", "endQuarantine"]],
    abandoned: ["ended", ["dismiss", "takeBack", "abandon", "forget", "endQuarantine"]],
    ended: ["ended", ["forget", "endQuarantine"]],
  },
  ended: {},
};

/** What is not in the table changes nothing: it came too late, or from a worker that says what it was not asked. */
export function transition(phase: Phase, event: PhaseEvent): Transition {
  return phaseTable[phase][event] ?? [phase, []];
}
