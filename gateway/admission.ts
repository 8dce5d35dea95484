/** What the gateway knows of a client that has been let in. */
export interface Admission {
  readonly path: string;
  readonly query: string;
  readonly ip: string;
  readonly user: string | undefined;
  readonly subprotocol: string;
  readonly state: Uint8Array | undefined;
  /** Milliseconds since 1970; 0: never. */
  readonly expiresAt: number;
  /** The key of a session over HTTP beside which it opens. */
  readonly session?: string | undefined;
  /** The gateway that has it, if it is another one. */
  readonly gateway?: string | undefined;
}
