import { statSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';

/** Whose data the mirror holds. */
export interface MirrorAccount {
  readonly id: string;
  readonly livemode: boolean;
}

/** One line of `td_progress`, as it is served in progress.json. */
export type ProgressRow = Readonly<Record<string, unknown>> & {
  readonly table: string;
  readonly state: string;
};

/** Main's own read-only look at the mirror. Every answer is undefined while there is no file that can be read. */
export interface Mirror {
  /** `td_metadata.data_version`; undefined too for a file of the original tdog, which has none. */
  dataVersion(): number | undefined;
  account(): MirrorAccount | undefined;
  /** The newest ids of a table, best proof that a key reads this account; empty while there are none. */
  newestIds(table: string, count: number): readonly string[];
  /** Per table, in the order of the download; undefined too for a file of the original tdog. */
  progress(): readonly ProgressRow[] | undefined;
  close(): void;
}

interface Connection {
  readonly database: DatabaseSync;
  readonly inode: number;
  readonly statements: Map<string, StatementSync>;
}

/**
 * Opens the file when it is there, and anew when another file has taken its place (the engine moves a file of the
 * original tdog aside).
 */
export function openMirror(file: string): Mirror {
  let connection: Connection | undefined;

  function close(): void {
    connection?.database.close();
    connection = undefined;
  }

  function connect(): Connection | undefined {
    const inode = statSync(file, { throwIfNoEntry: false })?.ino;
    if (connection !== undefined && connection.inode !== inode) close();
    if (connection === undefined && inode !== undefined) {
      const database = new DatabaseSync(file, { readOnly: true, enableForeignKeyConstraints: false });
      connection = { database, inode, statements: new Map() };
    }
    return connection;
  }

  /** Rows, or undefined when the file, the table or the column is not there (yet). */
  function query(sql: string): readonly Record<string, unknown>[] | undefined {
    try {
      const open = connect();
      if (open === undefined) return undefined;
      const statement = open.statements.get(sql) ?? open.database.prepare(sql);
      open.statements.set(sql, statement);
      return statement.all();
    } catch {
      close();
      return undefined;
    }
  }

  return {
    dataVersion() {
      const version = query('SELECT data_version FROM td_metadata LIMIT 1')?.[0]?.data_version;
      return typeof version === 'number' ? version : undefined;
    },
    account() {
      const row = query(
        'SELECT stripe_account_id AS id, stripe_is_test AS test FROM td_metadata LIMIT 1',
      )?.[0];
      return typeof row?.id === 'string' && row.id !== ''
        ? { id: row.id, livemode: row.test === 0 }
        : undefined;
    },
    newestIds(table, count) {
      const sql = `SELECT id FROM "${table}" ORDER BY created DESC LIMIT ${count}`;
      return (query(sql) ?? []).map(({ id }) => String(id));
    },
    progress() {
      return query('SELECT * FROM td_progress ORDER BY rowid') as readonly ProgressRow[] | undefined;
    },
    close,
  };
}
