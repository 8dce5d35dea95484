// Clients that have a place among those of their address from their first moment on, and give it back when they are answered or go; an
// upgrade that is let in hands it to its connection.

import type { ParkingOwner } from "./parking.ts";
import type { Party } from "./parties.ts";
import type { BodyClient } from "./request-bodies.ts";
import type { BodyReader } from "./uws/request.ts";
import type { Body, Head } from "./uws/response-body.ts";
import type { Answer, WaitingClient, WaitingRequest, WaitingUpgrade } from "./uws/waiting-client.ts";

abstract class CountedClient<Client extends WaitingClient> implements WaitingClient {
  onGone: (() => void) | undefined;
  protected readonly client: Client;
  private isOver = false;

  constructor(client: Client) {
    this.client = client;
    client.onGone = () => {
      this.giveBack();
      this.onGone?.();
    };
  }

  get isGone(): boolean {
    return this.client.isGone;
  }

  // Whoever meets a bug is answered, so no more than this has to hold.
  answer(answer: Answer): void {
    try {
      this.client.answer(answer);
    } finally {
      this.giveBack();
    }
  }

  begin(head: Head, onTaken: (bytes: number) => void): Body | undefined {
    const body = this.client.begin(head, onTaken);
    if (body === undefined) this.giveBack();
    return body && this.counted(body);
  }

  protected giveBack(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.over();
  }

  protected abstract over(): void;

  /** The place is somebody else's now. */
  protected handOver(): void {
    this.isOver = true;
  }

  private counted(body: Body): Body {
    return {
      write: (bytes) => body.write(bytes),
      end: () => {
        body.end();
        this.giveBack();
      },
      cut: () => {
        body.cut();
        this.giveBack();
      },
    };
  }
}

/** A plain request. It has its place until all of its answer has been given, a stream's as well. */
export class CountedRequest extends CountedClient<WaitingRequest> implements WaitingRequest {
  /** Of its body, and of what waits of its answer. */
  readonly owner: ParkingOwner;
  readonly onSession: BodyClient["onSession"];
  readonly onPlain: BodyClient["onPlain"];
  private readonly onOver: () => void;

  constructor(
    client: WaitingRequest,
    owner: ParkingOwner,
    { onSession, onPlain, onOver }: Pick<BodyClient, "onSession" | "onPlain"> & { readonly onOver: () => void },
  ) {
    super(client);
    this.owner = owner;
    this.onSession = onSession;
    this.onPlain = onPlain;
    this.onOver = onOver;
  }

  protected override over(): void {
    this.onOver();
  }

  readBody(reader: BodyReader): void {
    this.client.readBody(reader);
  }
}

/** What becomes of the places of upgrades. */
export interface UpgradePlaces<Data> {
  /** It is a connection's now. */
  admitted(address: Party, data: Data): void;
  /** Its upgrade was refused with this status. */
  refused(address: Party, status: number): void;
  /** Its upgrade has not become a connection. */
  over(address: Party): void;
}

/** Many may wait together, so each keeps little: no functions of its own. */
export class CountedUpgrade<Data extends object> extends CountedClient<WaitingUpgrade<Data>> implements WaitingUpgrade<Data> {
  private readonly address: Party;
  private readonly places: UpgradePlaces<Data>;

  constructor(client: WaitingUpgrade<Data>, address: Party, places: UpgradePlaces<Data>) {
    super(client);
    this.address = address;
    this.places = places;
  }

  override answer(answer: Answer): void {
    if (!this.isGone) this.places.refused(this.address, answer.status);
    super.answer(answer);
  }

  accept(admit: () => Data, subprotocol: string, headers: Answer["headers"]): void {
    const enter = () => {
      const data = admit();
      this.handOver();
      this.places.admitted(this.address, data);
      return data;
    };
    this.client.accept(enter, subprotocol, headers);
    // It may have gone before it was in.
    this.giveBack();
  }

  protected override over(): void {
    this.places.over(this.address);
  }
}
