import type { DatabaseSync, StatementSync } from 'node:sqlite';

import type { ChildSet, Flat, Write } from '../model/flatten.ts';
import type { Model, TableModel } from '../model/table-model.ts';
import { toJson } from '../model/scrub.ts';
import { timestampMs, type SqlValue, type StripeObject } from '../model/values.ts';
import { createIndexes, ensureTable, joinsOf, q } from './schema.ts';

/** How {@link Store.write} treats what it is given. */
export interface WriteOptions {
  /** The first download: parents are new, so nothing of theirs can be gone, and joins are made once at the end. */
  readonly bulk?: boolean;
}

/** Writes Stripe rows; every change of one counts for `data_version`. */
export interface Store {
  readonly db: DatabaseSync;
  readonly model: Model;
  /** All or nothing; raises `data_version` when a Stripe row changed. */
  transaction<T>(work: () => T): T;
  /** Returns the number of rows that were added or changed, per table. */
  write(flat: Flat, options?: WriteOptions): number;
  /** Takes a row away; its last state (`object`, else the row) goes to td_deleted. Returns whether there was one. */
  remove(table: TableModel, id: string, object?: StripeObject): boolean;
  /** Notes that Stripe does not have this id, without a row. */
  noteMissing(table: string, id: string, object: StripeObject): void;
  isDeleted(table: string, id: string): boolean;
  has(table: TableModel, id: string): boolean;
  /** Columns of tdog 0.7 that come from other rows, for the whole file: pieces of work, each for one transaction. */
  joinAll(): Iterable<() => void>;
  count(table: string): number;
  /** Makes the tables of objects whose API is gone. */
  wake(names: readonly string[]): void;
  /** Marks the running transaction as one that changes Stripe rows. */
  touch(): void;
  readonly dataVersion: number;
}

interface Statements {
  readonly upsert: StatementSync;
  readonly insert: StatementSync;
  readonly remove: StatementSync;
  readonly get: StatementSync;
}

/** Rows of one piece of {@link Store.joinAll}: short enough that nothing else waits. */
const JOIN_ROWS = 2_000;

/** Binds the model to an open database whose schema stands. */
export function createStore(db: DatabaseSync, model: Model, now: () => number): Store {
  const statements = new Map<string, Statements>();
  const prepared = new Map<string, StatementSync>();
  const prepare = (sql: string): StatementSync => {
    let statement = prepared.get(sql);
    if (statement === undefined) prepared.set(sql, (statement = db.prepare(sql)));
    return statement;
  };
  const of = (table: TableModel): Statements => {
    let found = statements.get(table.name);
    if (found === undefined) statements.set(table.name, (found = tableStatements(db, table)));
    return found;
  };
  const joins = joinsOf(model);
  let dirty = false;
  let depth = 0;
  let anyDeleted = prepare('SELECT 1 FROM td_deleted LIMIT 1').get() !== undefined;
  // Copies of prices and the like come with thousands of parents: ask SQLite once each.
  const seen = new Set<string>();

  function writeRow(write: Write, ts: string): number {
    const { table, id } = write;
    if (write.mode === 'insert') {
      const key = `${table.name} ${id}`;
      if (seen.has(key)) return 0;
      if (seen.size > 20_000) seen.clear();
      seen.add(key);
      if (anyDeleted && store.isDeleted(table.name, id)) return 0;
    }
    if (write.mode === 'copy' && isOlder(write)) return 0;
    const values: SqlValue[] = [id];
    for (const column of table.columns)
      values.push(column.read(write.object, write.parent) ?? column.initial ?? null);
    values.push(table.extra(write.object), ts, ts);
    const changes = Number(of(table)[write.mode === 'insert' ? 'insert' : 'upsert'].run(...values).changes);
    if (changes > 0) {
      dirty = true;
      if (anyDeleted && write.mode !== 'insert')
        prepare('DELETE FROM td_deleted WHERE "table" = ? AND id = ?').run(table.name, id);
    }
    return changes;
  }

  /** Lists are read side by side, so a copy may be of before the row. A coupon's uses only grow. */
  function isOlder({ table, id, object }: Write): boolean {
    const uses = object['times_redeemed'];
    if (typeof uses !== 'number') return false;
    const sql = `SELECT 1 FROM ${q(table.name)} WHERE id = ? AND times_redeemed > ?`;
    return prepare(sql).get(id, uses) !== undefined;
  }

  function replaceSet(set: ChildSet): number {
    let removed = 0;
    for (const name of set.tables) {
      const child = model.tables.get(name);
      if (child?.parentColumn === undefined || !isOwnedByParent(child)) continue;
      const ids = new Set(set.ids);
      const stored = prepare(`SELECT id FROM ${q(child.name)} WHERE ${q(child.parentColumn)} = ?`).all(
        set.parent,
      );
      for (const row of stored) {
        const id = String(row['id']);
        if (!ids.has(id) && store.remove(child, id)) removed += 1;
      }
    }
    return removed;
  }

  function joinChanged(writes: readonly Write[], changed: ReadonlySet<Write>): void {
    for (const join of joins) {
      for (const write of writes) {
        if (!changed.has(write)) continue;
        if (write.table.name === join.on) {
          prepare(join.sql.replace('{where}', `id IN (${join.ids})`)).run(write.id);
        } else if (write.table.name === join.table)
          prepare(join.sql.replace('{where}', 'id = ?1')).run(write.id);
      }
    }
  }

  const store: Store = {
    db,
    model,
    transaction: (work) => {
      if (depth > 0) return work();
      db.exec('BEGIN IMMEDIATE');
      depth += 1;
      dirty = false;
      try {
        const result = work();
        if (dirty) prepare('UPDATE td_metadata SET data_version = data_version + 1').run();
        db.exec('COMMIT');
        return result;
      } catch (error) {
        seen.clear();
        if (db.isTransaction) db.exec('ROLLBACK');
        throw error;
      } finally {
        depth -= 1;
        dirty = false;
      }
    },
    write: (flat, options = {}) => {
      const ts = timestampMs(now());
      const changed = new Set<Write>();
      let count = 0;
      for (const write of flat.writes) {
        const changes = writeRow(write, ts);
        count += changes;
        if (changes > 0 && options.bulk !== true) changed.add(write);
      }
      if (options.bulk !== true) {
        for (const set of flat.sets) count += replaceSet(set);
        if (changed.size > 0) joinChanged(flat.writes, changed);
      }
      return count;
    },
    remove: (table, id, object) => {
      const row = of(table).get.get(id);
      if (row === undefined) return false;
      const state = object === undefined ? JSON.stringify(row) : toJson(object);
      of(table).remove.run(id);
      prepare('INSERT OR REPLACE INTO td_deleted ("table", id, deleted_ts, object) VALUES (?, ?, ?, ?)').run(
        table.name,
        id,
        timestampMs(now()),
        state,
      );
      anyDeleted = true;
      dirty = true;
      seen.delete(`${table.name} ${id}`);
      for (const list of table.lists)
        replaceSet({ tables: list.childTables, parentTable: table.name, parent: id, ids: [] });
      return true;
    },
    noteMissing: (table, id, object) => {
      prepare('INSERT OR IGNORE INTO td_deleted ("table", id, deleted_ts, object) VALUES (?, ?, ?, ?)').run(
        table,
        id,
        timestampMs(now()),
        JSON.stringify(object),
      );
      anyDeleted = true;
    },
    isDeleted: (table, id) =>
      anyDeleted &&
      prepare('SELECT 1 FROM td_deleted WHERE "table" = ? AND id = ?').get(table, id) !== undefined,
    has: (table, id) => prepare(`SELECT 1 FROM ${q(table.name)} WHERE id = ?`).get(id) !== undefined,
    *joinAll() {
      for (const join of joins) {
        const last = Number(db.prepare(`SELECT max(rowid) AS n FROM ${q(join.table)}`).get()?.['n'] ?? 0);
        const update = db.prepare(join.sql.replace('{where}', `${q(join.table)}.rowid BETWEEN ?1 AND ?2`));
        for (let from = 1; from <= last; from += JOIN_ROWS)
          yield () => {
            if (Number(update.run(from, from + JOIN_ROWS - 1).changes) > 0) dirty = true;
          };
      }
    },
    count: (table) => Number(db.prepare(`SELECT count(*) AS n FROM ${q(table)}`).get()?.['n'] ?? 0),
    wake: (names) => {
      for (const table of model.add(names)) {
        ensureTable(db, table);
        createIndexes(db, table);
      }
    },
    touch: () => {
      dirty = true;
    },
    get dataVersion() {
      return Number(prepare('SELECT data_version FROM td_metadata').get()?.['data_version'] ?? 0);
    },
  };
  return store;
}

/** Rows that live and die with their parent (invoice lines); a refund or a source lives on by itself. */
export function isOwnedByParent(table: TableModel): boolean {
  return table.spec.embeddedInEventsOf !== undefined || table.spec.pseudoColumns !== undefined;
}

function tableStatements(db: DatabaseSync, table: TableModel): Statements {
  const name = q(table.name);
  const columns = ['id', ...table.columns.map((column) => column.name), 'extra', 'insert_ts', 'update_ts'];
  const head = `INSERT INTO ${name} (${columns.map(q).join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;
  const sets: string[] = [];
  const differs: string[] = [];
  for (const column of table.columns) {
    const c = q(column.name);
    if (column.keep) {
      const absent = column.initial === undefined ? 'NULL' : `'${column.initial}'`;
      sets.push(`${c} = CASE WHEN excluded.${c} IS ${absent} THEN ${name}.${c} ELSE excluded.${c} END`);
      differs.push(`(excluded.${c} IS NOT ${absent} AND ${name}.${c} IS NOT excluded.${c})`);
    } else {
      sets.push(`${c} = excluded.${c}`);
      differs.push(`${name}.${c} IS NOT excluded.${c}`);
    }
  }
  sets.push('extra = excluded.extra', 'update_ts = excluded.update_ts');
  differs.push(`${name}.extra IS NOT excluded.extra`);
  return {
    upsert: db.prepare(
      `${head} ON CONFLICT (id) DO UPDATE SET ${sets.join(', ')} WHERE ${differs.join(' OR ')}`,
    ),
    insert: db.prepare(`${head} ON CONFLICT (id) DO NOTHING`),
    remove: db.prepare(`DELETE FROM ${name} WHERE id = ?`),
    get: db.prepare(`SELECT * FROM ${name} WHERE id = ?`),
  };
}
