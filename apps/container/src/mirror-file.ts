import { existsSync, renameSync, rmSync } from 'node:fs';
import { join, parse } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ContainerError } from './errors.ts';

/** Account ids of the demo begin so. No account of Stripe's does. */
export const demoAccountPrefix = 'acct_demo';

/**
 * The account that a file mirrors: undefined when there is no file yet, or none of Stripe's data is in it.
 *
 * @throws When the file is no SQLite database.
 */
export function accountOf(file: string): string | undefined {
  if (!existsSync(file)) return undefined;
  const database = new DatabaseSync(file, { readOnly: true, enableForeignKeyConstraints: false });
  try {
    const table = database.prepare(
      "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'td_metadata'",
    );
    if (table.get() === undefined) return undefined;
    const row = database.prepare('SELECT stripe_account_id AS id FROM td_metadata LIMIT 1').get();
    return typeof row?.id === 'string' && row.id !== '' ? row.id : undefined;
  } finally {
    database.close();
  }
}

/** Whose data the file is to hold. */
export type Wanted =
  | { readonly for: 'demo'; readonly accountId: string }
  | {
      readonly for: 'account';
      /** The account of the demo that ran in this folder before, if one did. */
      readonly demoAccountId: string | undefined;
      /** The API is Stripe's own, which has no account of a demo. */
      readonly isStripe: boolean;
    };

/**
 * Keeps demo and real account apart: a demo's file is moved aside for a real key and for another demo, a real account's
 * file is never taken by the demo. (Two real accounts are kept apart by the engine, which asks Stripe whose key it has.)
 *
 * @returns Where a demo's file went, if one was moved.
 * @throws {@link ContainerError} OTHER_ACCOUNT, or CONFIGURATION when the file is no database
 */
export function settleMirrorFile(file: string, wanted: Wanted, now: Date): string | undefined {
  const account = readAccount(file);
  if (account === undefined) return undefined;
  const isOfDemo = account.startsWith(demoAccountPrefix);
  if (wanted.for === 'demo') {
    if (!isOfDemo) {
      throw new ContainerError(
        'OTHER_ACCOUNT',
        `DATA_DIR: ${file} mirrors the account ${account}, which a demo never replaces; ` +
          'set STRIPE_SECRET_KEY to go on with it, or another DATA_DIR for the demo',
      );
    }
    return account === wanted.accountId ? undefined : moveAside(file, now);
  }
  // An emulator's account may begin so, too: there the key decides, as for any account.
  const isLeftOver = account === wanted.demoAccountId || (isOfDemo && wanted.isStripe);
  return isLeftOver ? moveAside(file, now) : undefined;
}

function readAccount(file: string): string | undefined {
  try {
    return accountOf(file);
  } catch (error) {
    throw new ContainerError(
      'CONFIGURATION',
      `DATA_DIR: ${file} is no SQLite database that can be read; move it away`,
      { cause: error },
    );
  }
}

function moveAside(file: string, now: Date): string {
  // What a crash left in the write-ahead log belongs into the file before it moves.
  const database = new DatabaseSync(file);
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  database.close();
  const { dir, name, ext } = parse(file);
  const stamp = now.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const target = join(dir, `${name}.demo-${stamp}${ext}`);
  renameSync(file, target);
  for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true });
  return target;
}
