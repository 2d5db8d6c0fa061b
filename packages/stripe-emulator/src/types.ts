import type { FaultSettings } from './faults/settings.ts';

/** Anything JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A Stripe object as it goes over the wire. */
export interface StripeObject {
  [key: string]: unknown;
  id: string;
  object: string;
}

/** A Stripe event. */
export interface StripeEvent extends StripeObject {
  type: string;
  created: number;
  data: { object: Record<string, unknown>; previous_attributes?: Record<string, unknown> };
}

/** What a test can look at and put in without HTTP. */
export interface EmulatorState {
  /** The object, also one that lists hide; undefined when there is none or it was deleted. */
  get(object: string, id: string): StripeObject | undefined;
  /** All objects of a type, newest first. A large account makes a long array. */
  all(object: string): StripeObject[];
  /** How many there are of a type. */
  count(object: string): number;
  /** Events that have been shown, oldest first. */
  events(): StripeEvent[];
  /** Stores an object as it is, without an event; `silent` changes test what a mirror does about drift. */
  put(object: StripeObject): void;
  /** Removes an object without an event. */
  remove(object: string, id: string): void;
  /** Stores the object (unless it is a deletion) and emits an event of this type about it. */
  emit(type: string, object: StripeObject, previous?: Record<string, unknown>): StripeEvent;
  /** Requests answered, by method and route, e.g. `GET /v1/customers`. */
  requests(): ReadonlyMap<string, number>;
}

/** A running or startable emulator. */
export interface Emulator {
  /** Starts listening; a second call answers the same. @throws EmulatorError EMULATOR_ADDRESS */
  listen(): Promise<{ readonly url: string; readonly key: string }>;
  /** Where it listens, e.g. `http://127.0.0.1:12111`. Empty before {@link Emulator.listen}. */
  readonly url: string;
  /** A key that is let in. */
  readonly key: string;
  /** The account's id. */
  readonly accountId: string;
  /** Moves a timeline on to a step (also back). @throws EmulatorError EMULATOR_STEP */
  advance(step: number): void;
  /** Replaces the faults; `{}` ends them all. */
  setFaults(faults: FaultSettings): void;
  /** Ends the TCP connections of all clients, as a network failure would. */
  dropConnections(): void;
  /** For tests. */
  readonly state: EmulatorState;
  /** Stops; may be called more than once. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
