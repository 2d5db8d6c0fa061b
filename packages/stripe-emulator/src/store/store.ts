import type { StripeObject } from '../types.ts';
import { flagDeleted, flagHidden, newestFirst, type Key, type Layer, type Row, type Walk } from './layer.ts';
import type { Journal } from './journal.ts';

/** `created` of an object, whatever it calls it; `fallback` when it has none. */
export function createdOf(object: StripeObject, fallback: number): number {
  const value = object['created'] ?? object['date'] ?? object['effective_at'];
  return typeof value === 'number' ? value : fallback;
}

/** All objects of the account: what was written, over what the synthetic history holds. */
export class Store {
  readonly journal: Journal;
  #base: Layer | undefined;
  readonly #onPut: ((object: StripeObject) => void)[] = [];

  constructor(journal: Journal, base?: Layer) {
    this.journal = journal;
    this.#base = base;
  }

  /** Rises with every change. */
  get version(): number {
    return this.journal.version;
  }

  /** Forgets everything, without an event. */
  wipe(): void {
    this.journal.clear();
    this.#base = undefined;
  }

  /** Calls back for each object that is stored from now on. */
  onPut(listener: (object: StripeObject) => void): void {
    this.#onPut.push(listener);
  }

  /** The row, also when it is deleted or hidden. */
  find(object: string, id: string): Row | undefined {
    return this.journal.find(object, id) ?? this.#base?.find(object, id);
  }

  /** The object as it is, or undefined when it is deleted or never was. */
  get(object: string, id: string): StripeObject | undefined {
    const row = this.find(object, id);
    return row === undefined || row.flags & flagDeleted ? undefined : row.object();
  }

  /** Stores an object; it keeps its place when it is known. */
  put(object: StripeObject, created: number, flags?: number): void {
    const known = this.find(object.object, object.id);
    const place: Key | undefined = known && { created: known.created, seq: known.seq };
    this.journal.put(object, created, flags ?? (known ? known.flags & flagHidden : 0), place);
    for (const listener of this.#onPut) listener(object);
  }

  /** Marks as deleted; the last state stays for a stub. */
  remove(object: string, id: string): void {
    const known = this.find(object, id);
    if (known) this.journal.put(known.object(), known.created, flagDeleted, known);
  }

  /** Rows in list order, deleted and hidden ones left out. */
  *walk(walk: Walk): Generator<Row> {
    for (const row of this.#merged(walk)) if ((row.flags & (flagDeleted | flagHidden)) === 0) yield row;
  }

  *#merged(walk: Walk): Generator<Row> {
    if (this.#base === undefined) {
      yield* this.journal.walk(walk);
      return;
    }
    const sign = walk.direction === 'older' ? 1 : -1;
    const written = this.journal.walk(walk)[Symbol.iterator]();
    const history = this.#base.walk(walk)[Symbol.iterator]();
    let a = written.next();
    let b = history.next();
    while (!a.done || !b.done) {
      if (b.done || (!a.done && newestFirst(a.value, b.value) * sign <= 0)) {
        if (!a.done) yield a.value;
        a = written.next();
      } else {
        if (!this.journal.replaces(walk.object, b.value.id)) yield b.value;
        b = history.next();
      }
    }
  }

  /** How many objects there are, by type; those of our own making left out. */
  counts(): Record<string, number> {
    const own = new Set(['test_card', 'webhook_secret', 'payout_members', 'line_items_of', 'trial_told']);
    const types = new Set([...this.journal.types(), ...(this.#base?.types() ?? [])]);
    const counts = [...types]
      .filter((type) => !own.has(type))
      .map((type) => [type, this.count(type)] as const);
    return Object.fromEntries(counts.filter(([, n]) => n > 0).sort(([a], [b]) => a.localeCompare(b)));
  }

  /** How many objects of a type that are not deleted. */
  count(object: string): number {
    if (this.#base === undefined) return this.journal.count(object);
    let extra = 0;
    for (const row of this.journal.walk({ object, direction: 'older' })) {
      const known = this.#base.find(object, row.id) !== undefined;
      if (row.flags & flagDeleted) extra -= known ? 1 : 0;
      else extra += known ? 0 : 1;
    }
    return this.#base.count(object) + extra;
  }
}
