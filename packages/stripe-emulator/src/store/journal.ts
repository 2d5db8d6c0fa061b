import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { EmulatorError } from '../errors.ts';
import type { StripeObject } from '../types.ts';
import { flagClock, flagDeleted, flagLong, type Key, type Layer, type Row, type Walk } from './layer.ts';

/** Sequence numbers of stored objects begin here; those of a synthetic history are below. */
export const firstSeq: number = 2 ** 45;

const schema = `
  CREATE TABLE IF NOT EXISTS objects (object TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL, seq INTEGER NOT NULL,
    flags INTEGER NOT NULL, json TEXT NOT NULL);
  CREATE UNIQUE INDEX IF NOT EXISTS objects_id ON objects (object, id);
  CREATE INDEX IF NOT EXISTS objects_order ON objects (object, created, seq);
  CREATE TABLE IF NOT EXISTS refs (ref TEXT NOT NULL, object TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (ref, object, id)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS refs_owner ON refs (object, id);
  CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
`;

interface Stored {
  id: string;
  created: number;
  seq: number;
  flags: number;
  json: string;
}

const chunk = 101;
const idLike = /^[a-z][a-z_]*_\w+$/;

/** The ids an object names: at its top level, one level below (`parent`, `promotion`), and in arrays of ids. */
function refsOf(object: StripeObject): Set<string> {
  const found = new Set<string>();
  const look = (value: unknown, depth: number): void => {
    if (typeof value === 'string') {
      if (idLike.test(value) && value.length < 256) found.add(value);
    } else if (Array.isArray(value)) {
      for (const item of value) if (typeof item === 'string') look(item, 0);
    } else if (typeof value === 'object' && value !== null && depth > 0) {
      const inner = value as Record<string, unknown>;
      if (typeof inner['id'] === 'string') found.add(inner['id']);
      for (const item of Object.values(inner)) look(item, depth - 1);
    }
  };
  for (const [name, value] of Object.entries(object))
    if (name !== 'id' && name !== 'metadata') look(value, 3);
  return found;
}

/** Whether a list inside the object is longer than what Stripe shows inline. */
function hasLongList(object: StripeObject): boolean {
  return Object.values(object).some((value) => {
    const data = (value as { data?: unknown } | null)?.data;
    return Array.isArray(data) && data.length > 10;
  });
}

class StoredRow implements Row {
  readonly id: string;
  readonly created: number;
  readonly seq: number;
  readonly flags: number;
  readonly #json: string;

  constructor(stored: Stored) {
    this.id = stored.id;
    this.created = stored.created;
    this.seq = stored.seq;
    this.flags = stored.flags;
    this.#json = stored.json;
  }

  object(): StripeObject {
    return JSON.parse(this.#json) as StripeObject;
  }

  text(): string {
    return this.#json;
  }
}

/** Everything that was put in: recorded objects, written ones, and the changed ones of a synthetic history. */
export class Journal implements Layer {
  readonly #db: DatabaseSync;
  readonly #find: StatementSync;
  readonly #upsert: StatementSync;
  readonly #dropRefs: StatementSync;
  readonly #addRef: StatementSync;
  readonly #walks = new Map<string, StatementSync>();
  /** Stored objects that replace one of the synthetic history. */
  readonly #replaced = new Set<string>();
  readonly #types: Set<string>;
  #seq: number;
  #open = true;
  #version = 0;

  /** @param file where to keep it; ':memory:' to forget it. @throws EmulatorError EMULATOR_STATE */
  constructor(file: string) {
    try {
      this.#db = new DatabaseSync(file, { enableForeignKeyConstraints: false });
      if (file !== ':memory:') this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
      this.#db.exec(schema);
    } catch (cause) {
      throw new EmulatorError('EMULATOR_STATE', `cannot open the state file ${file}`, { cause });
    }
    this.#find = this.#db.prepare(
      'SELECT id, created, seq, flags, json FROM objects WHERE object = ? AND id = ?',
    );
    this.#upsert = this.#db.prepare(
      `INSERT INTO objects (object, id, created, seq, flags, json) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (object, id) DO UPDATE SET created = excluded.created, seq = excluded.seq, flags = excluded.flags, json = excluded.json`,
    );
    this.#dropRefs = this.#db.prepare('DELETE FROM refs WHERE object = ? AND id = ?');
    this.#addRef = this.#db.prepare('INSERT OR IGNORE INTO refs (ref, object, id) VALUES (?, ?, ?)');
    const last = this.#db.prepare('SELECT max(seq) AS seq FROM objects').get() as { seq: number | null };
    this.#seq = Math.max(last.seq ?? 0, firstSeq);
    const types = this.#db.prepare('SELECT DISTINCT object FROM objects').all();
    this.#types = new Set(types.map((row) => String(row['object'])));
    const replaced = this.#db.prepare('SELECT object, id FROM objects WHERE seq <= ?').all(firstSeq);
    for (const row of replaced) this.#replaced.add(`${String(row['object'])}/${String(row['id'])}`);
  }

  /** Stores or replaces; an object keeps its place in the list. */
  put(object: StripeObject, created: number, flags = 0, place?: Key): void {
    this.#version += 1;
    const known = this.#find.get(object.object, object.id) as Stored | undefined;
    const key = known ?? place ?? { created, seq: ++this.#seq };
    let all = flags;
    if (hasLongList(object)) all |= flagLong;
    if (typeof object['test_clock'] === 'string') all |= flagClock;
    this.#upsert.run(object.object, object.id, key.created, key.seq, all, JSON.stringify(object));
    this.#types.add(object.object);
    if (key.seq <= firstSeq) this.#replaced.add(`${object.object}/${object.id}`);
    if (known) this.#dropRefs.run(object.object, object.id);
    if (object.object !== 'event') {
      for (const ref of refsOf(object)) this.#addRef.run(ref, object.object, object.id);
    }
  }

  find(object: string, id: string): Row | undefined {
    const stored = this.#find.get(object, id) as Stored | undefined;
    return stored && new StoredRow(stored);
  }

  /** Whether an object of the synthetic history is replaced by a stored one. */
  replaces(object: string, id: string): boolean {
    return this.#replaced.size > 0 && this.#replaced.has(`${object}/${id}`);
  }

  *walk(walk: Walk): Generator<Row> {
    const older = walk.direction === 'older';
    const { ref } = walk;
    // By reference, the few that name it are looked up first: the planner would rather read the whole list in order.
    const from =
      ref === undefined ? 'objects o' : 'refs r CROSS JOIN objects o ON o.object = r.object AND o.id = r.id';
    const where = ref === undefined ? '' : 'r.ref = ? AND r.object = o.object AND ';
    const sql = `SELECT o.id, o.created, o.seq, o.flags, o.json FROM ${from} WHERE ${where} o.object = ? AND o.created BETWEEN ? AND ?
      AND (o.created, o.seq) ${older ? '<' : '>'} (?, ?)
      ORDER BY o.created ${older ? 'DESC' : ''}, o.seq ${older ? 'DESC' : ''} LIMIT ${chunk}`;
    let statement = this.#walks.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#walks.set(sql, statement);
    }
    const end = Number.MAX_SAFE_INTEGER;
    let at = walk.after ?? (older ? { created: end, seq: end } : { created: -end, seq: -end });
    for (;;) {
      // The cursor narrows the range too, so that a late page does not read all earlier ones again.
      const least = older ? (walk.from ?? -end) : Math.max(walk.from ?? -end, at.created);
      const most = older ? Math.min(walk.to ?? end, at.created) : (walk.to ?? end);
      const bounds = [walk.object, least, most, at.created, at.seq];
      const rows = statement.all(...(ref === undefined ? [] : [ref]), ...bounds) as unknown as Stored[];
      for (const stored of rows) yield new StoredRow(stored);
      const last = rows.at(-1);
      if (last === undefined || rows.length < chunk) return;
      at = last;
    }
  }

  /** Whether an object of a type was ever stored; cheap, for what is asked with every event. */
  holds(object: string): boolean {
    return this.#types.has(object);
  }

  count(object: string): number {
    const row = this.#db
      .prepare(`SELECT count(*) AS n FROM objects WHERE object = ? AND flags & ${flagDeleted} = 0`)
      .get(object) as { n: number };
    return row.n;
  }

  /** Rises with every change. */
  get version(): number {
    return this.#version;
  }

  /** Runs as one transaction. */
  transaction<T>(work: () => T): T {
    if (this.#db.isTransaction) return work();
    this.#db.exec('BEGIN');
    try {
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Forgets objects of a type that are older than this, and all beyond the newest `keep`. */
  prune(object: string, before: number, keep: number): void {
    const old = this.#db.prepare('DELETE FROM objects WHERE object = ? AND created < ?').run(object, before);
    const many = this.#db
      .prepare(
        `DELETE FROM objects WHERE object = ?1 AND (created, seq) < (SELECT created, seq FROM objects WHERE object = ?1
         ORDER BY created DESC, seq DESC LIMIT 1 OFFSET ?2)`,
      )
      .run(object, keep);
    if (Number(old.changes) + Number(many.changes) > 0) this.#version += 1;
  }

  /** The types that were ever stored. */
  types(): string[] {
    return [...this.#types];
  }

  /** Empties it. */
  clear(): void {
    this.#version += 1;
    this.#db.exec('DELETE FROM objects; DELETE FROM refs');
    this.#replaced.clear();
  }

  /** A kept setting. */
  setting(name: string): string | undefined {
    const row = this.#db.prepare('SELECT value FROM settings WHERE name = ?').get(name) as
      { value: string } | undefined;
    return row?.value;
  }

  /** Keeps a setting. */
  set(name: string, value: string): void {
    this.#db.prepare('INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)').run(name, value);
  }

  close(): void {
    if (this.#open) this.#db.close();
    this.#open = false;
  }
}
