import type { Account, Call, RequestFacts } from '../api/context.ts';
import { invalid, missing, parameterMissing, unknownParameters } from '../http/failure.ts';
import { boolean, hash, integer, text, texts, type Param, type Params } from '../http/params.ts';
import { createdOf } from '../store/store.ts';
import type { StripeObject } from '../types.ts';

/** Who changes things, and when: a request, the live activity, or a test clock. */
export interface Actor {
  readonly account: Account;
  readonly request: RequestFacts | undefined;
  /** The time it is in the world of the object, seconds since 1970; test clocks differ from the real one. */
  readonly at: number;
}

/** The real time, in seconds. */
export function realSeconds(account: Account): number {
  return Math.floor(account.now() / 1000);
}

/** The actor of a request. */
export function actorOf(call: Call): Actor {
  return { account: call.account, request: call.request, at: realSeconds(call.account) };
}

/** The same actor in the time of the test clock that a customer (or other object) is bound to. */
export function inTimeOf(actor: Actor, object: Record<string, unknown> | undefined): Actor {
  const clock = object?.['test_clock'];
  const found =
    typeof clock === 'string' ? actor.account.store.get('test_helpers.test_clock', clock) : undefined;
  return found === undefined ? actor : { ...actor, at: Number(found['frozen_time']) };
}

/** The customer an object names. */
export function customerOf(actor: Actor, object: Record<string, unknown>): StripeObject | undefined {
  const id = object['customer'];
  return typeof id === 'string' ? actor.account.store.get('customer', id) : undefined;
}

/** The actor of a request in the time of the customer that an object names. */
export function actorFor(call: Call, object: Record<string, unknown>): Actor {
  const actor = actorOf(call);
  return inTimeOf(actor, customerOf(actor, object));
}

/** Emits an event; `previous` are the old values of what changed. */
export function tell(
  actor: Actor,
  type: string,
  object: StripeObject,
  previous?: Record<string, unknown>,
): void {
  actor.account.emit(type, object, previous, actor.request);
}

/** Stores an object and, when a type is given, emits the event. */
export function save(
  actor: Actor,
  object: StripeObject,
  type?: string,
  previous?: Record<string, unknown>,
): StripeObject {
  actor.account.store.put(object, createdOf(object, actor.at));
  if (type !== undefined) tell(actor, type, object, previous);
  return object;
}

const isHash = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The old values of what changed: of hashes only the changed part, arrays whole. */
export function changed(
  before: Record<string, unknown>,
  after: Record<string, unknown>,
): Record<string, unknown> | undefined {
  const old: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [was, is] = [before[name], after[name]];
    if (JSON.stringify(was) === JSON.stringify(is)) continue;
    old[name] =
      isHash(was) && isHash(is) && was['object'] !== 'list' ? (changed(was, is) ?? {}) : (was ?? null);
  }
  return Object.keys(old).length === 0 ? undefined : old;
}

/** Changes some properties; the event, if there is one to tell, carries their old values. Nothing changed: no event. */
export function update(
  actor: Actor,
  object: StripeObject,
  patch: Record<string, unknown>,
  type?: string,
): StripeObject {
  const next: StripeObject = { ...object, ...patch, id: object.id, object: object.object };
  const previous = changed(object, next);
  if (previous === undefined) return object;
  return save(actor, next, type, type === undefined ? undefined : previous);
}

/** Deletes; the event carries the last state. */
export function remove(actor: Actor, object: StripeObject, type: string): Record<string, unknown> {
  actor.account.store.remove(object.object, object.id);
  tell(actor, type, object);
  return { id: object.id, object: object.object, deleted: true };
}

/** The object a path names. @throws Failure 404 */
export function need(call: Call, object: string, param: string): StripeObject {
  const id = call.path[param] ?? '';
  const found = call.account.store.get(object, id);
  if (found === undefined) throw missing(object, id, param);
  return found;
}

/** The object a parameter names; undefined when it is not given. @throws Failure 400 */
export function named(call: Call, object: string, param: string): StripeObject | undefined {
  const id = text(call.params, param);
  if (id === undefined) return undefined;
  const found = call.account.store.get(object, id);
  if (found === undefined) throw missing(object, id, param, 400);
  return found;
}

/** A parameter that must be given. @throws Failure 400 */
export function required(params: Params, name: string): string {
  const value = text(params, name);
  if (value === undefined) throw parameterMissing(name);
  return value;
}

/** Merges metadata as Stripe does: an empty value removes the key, an empty parameter all of them. */
export function mergeMetadata(old: unknown, given: Param | undefined): Record<string, string> {
  const merged: Record<string, string> = { ...(isHash(old) ? (old as Record<string, string>) : {}) };
  if (given === '') return {};
  if (!isHash(given)) return merged;
  for (const [name, value] of Object.entries(given)) {
    if (value === '') Reflect.deleteProperty(merged, name);
    else if (typeof value === 'string') merged[name] = value;
  }
  return merged;
}

/** Parameters a call may have besides those in `spec`. */
const always = new Set(['expand']);

/**
 * Reads parameters by a specification: `name:type` separated by blanks. Types: s text (empty: null), i integer,
 * n number, b boolean, m metadata, h hash of texts, a array of texts, x known and read elsewhere.
 * @throws Failure 400 for parameters that are not in it
 */
export function fields(params: Params, spec: string, old?: StripeObject): Record<string, unknown> {
  const types = new Map(spec.split(' ').map((part) => part.split(':') as [string, string]));
  const unknown = Object.keys(params).filter((name) => !types.has(name) && !always.has(name));
  if (unknown.length > 0) throw unknownParameters(unknown);
  const values: Record<string, unknown> = {};
  for (const [name, type] of types) {
    const given = params[name];
    if (given === undefined || type === 'x') continue;
    if (type === 'm') values[name] = mergeMetadata(old?.[name], given);
    else if (type === 'a') values[name] = texts(params, name);
    else if (given === '') values[name] = null;
    else if (type === 's') values[name] = textOnly(name, given);
    else if (type === 'i') values[name] = integer(params, name);
    else if (type === 'n') values[name] = decimal(params, name);
    else if (type === 'b') values[name] = boolean(params, name);
    else if (type === 'h')
      values[name] = { ...(isHash(old?.[name]) ? old[name] : {}), ...plain(hash(params, name)) };
  }
  return values;
}

function textOnly(name: string, value: Param): string {
  if (typeof value !== 'string') throw invalid(name, `Invalid string: ${JSON.stringify(value)}`);
  return value;
}

/** A number with decimals. @throws Failure 400 */
export function decimal(params: Params, name: string): number | undefined {
  const value = text(params, name);
  if (value === undefined) return undefined;
  if (!/^-?\d+(\.\d+)?$/.test(value)) throw invalid(name, `Invalid decimal: ${value}`);
  return Number(value);
}

/** Texts as they are, empty ones as null. */
function plain(value: Params | undefined): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value ?? {}).map(([name, inner]) => [
      name,
      inner === '' ? null : isHash(inner) ? plain(inner) : inner,
    ]),
  );
}

/** A currency. @throws Failure 400 */
export function currency(params: Params, name = 'currency'): string {
  const value = required(params, name).toLowerCase();
  if (!/^[a-z]{3}$/.test(value)) {
    throw invalid(
      name,
      `Invalid currency: ${value}. Stripe currently supports these currencies: usd, eur, …`,
    );
  }
  return value;
}
