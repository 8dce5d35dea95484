// Clients that have a place among those of their address from their first moment on, and give it back when they are answered or go; an
// upgrade that is let in hands it to its connection.

import type { ParkingOwner } from "./parking.ts";
import type { BodyReader } from "./uws/request.ts";
import type { Body, Head } from "./uws/response-body.ts";
import type { Answer, WaitingClient, WaitingRequest, WaitingUpgrade } from "./uws/waiting-client.ts";

class CountedClient<Client extends WaitingClient> implements WaitingClient {
  onGone: (() => void) | undefined;
  protected readonly client: Client;
  private readonly onOver: () => void;
  private isOver = false;

  constructor(client: Client, onOver: () => void) {
    this.client = client;
    this.onOver = onOver;
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
    this.onOver();
  }

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

  constructor(client: WaitingRequest, owner: ParkingOwner, onOver: () => void) {
    super(client, onOver);
    this.owner = owner;
  }

  readBody(reader: BodyReader): void {
    this.client.readBody(reader);
  }
}

export interface UpgradePlace<Data> {
  /** What it is once it is in. */
  onAdmitted(data: Data): void;
  /** It was refused with this status. */
  onRefused(status: number): void;
  /** It has not become a connection. */
  onOver(): void;
}

export class CountedUpgrade<Data extends object> extends CountedClient<WaitingUpgrade<Data>> implements WaitingUpgrade<Data> {
  private readonly place: UpgradePlace<Data>;

  constructor(client: WaitingUpgrade<Data>, place: UpgradePlace<Data>) {
    super(client, () => place.onOver());
    this.place = place;
  }

  override answer(answer: Answer): void {
    if (!this.isGone) this.place.onRefused(answer.status);
    super.answer(answer);
  }

  accept(admit: () => Data, subprotocol: string, headers: Answer["headers"]): void {
    const enter = () => {
      const data = admit();
      this.handOver();
      this.place.onAdmitted(data);
      return data;
    };
    this.client.accept(enter, subprotocol, headers);
    // It may have gone before it was in.
    this.giveBack();
  }
}
