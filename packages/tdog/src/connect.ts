import { SyncError } from './errors.ts';
import type { Account } from './engine.ts';
import { toJson } from './model/scrub.ts';
import { isObject, timestampMs, type StripeObject } from './model/values.ts';
import type { ResolvedOptions } from './options.ts';
import type { Api } from './stripe/api.ts';
import { ApiProblem } from './stripe/problem.ts';
import type { DatabaseSync } from 'node:sqlite';

/** Before this, there was no Stripe. */
const FIRST_DAY = Date.UTC(2010, 0, 1) / 1_000;

/** What `/v1/account` said, or what is known without it. */
export interface Connected {
  readonly account: Account;
  /** The account object; undefined when the key may not read it. */
  readonly object: StripeObject | undefined;
}

/**
 * Asks Stripe whose key it is.
 *
 * @throws {@link SyncError} TDOG_KEY_REFUSED
 */
export async function connect(api: Api, options: ResolvedOptions): Promise<Connected> {
  let object: StripeObject | undefined;
  let named: string | undefined;
  try {
    object = await api.get('/v1/account', { endpoint: 'GET /v1/account', purpose: 'key' });
  } catch (error) {
    if (!(error instanceof ApiProblem)) throw error;
    if (error.kind === 'refused')
      throw new SyncError('TDOG_KEY_REFUSED', `Stripe refused the key: ${error.message}`, { cause: error });
    if (error.kind === 'stopped' || error.kind === 'limited') throw error;
    // A restricted key need not be able to read the account.
    named = error.account;
  }
  const id = typeof object?.['id'] === 'string' ? object['id'] : (named ?? '');
  const created = object?.['created'];
  return {
    object,
    account: {
      id,
      created: typeof created === 'number' ? created : FIRST_DAY,
      livemode: options.livemode ?? (await modeOf(api)),
    },
  };
}

/** The mode of a key whose prefix does not tell. */
async function modeOf(api: Api): Promise<boolean> {
  try {
    const balance = await api.get('/v1/balance', { endpoint: 'GET /v1/balance', purpose: 'key' });
    return balance['livemode'] === true;
  } catch (error) {
    if (error instanceof ApiProblem && (error.kind === 'forbidden' || error.kind === 'no-endpoint'))
      return true;
    throw error;
  }
}

/**
 * Refuses to mix accounts or modes in one file, and writes td_metadata.
 *
 * @throws {@link SyncError} TDOG_OTHER_ACCOUNT
 */
export async function claimFile(
  db: DatabaseSync,
  api: Api,
  options: ResolvedOptions,
  connected: Connected,
  version: string,
): Promise<Account> {
  const { account, object } = connected;
  const isTest = account.livemode ? 0 : 1;
  const row = db.prepare('SELECT * FROM td_metadata').get();
  if (row === undefined) {
    db.prepare(
      `INSERT INTO td_metadata (id, cli_version, stripe_version, stripe_account_id, stripe_account, stripe_is_test)
       VALUES (1, ?, ?, ?, ?, ?)`,
    ).run(version, options.stripe.apiVersion, account.id, toJson(object ?? {}), isTest);
    return account;
  }
  const storedId = String(row['stripe_account_id']);
  const other = (what: string): SyncError =>
    new SyncError('TDOG_OTHER_ACCOUNT', `${options.file} holds ${what}; name another file for this key`);
  if (Number(row['stripe_is_test']) !== isTest)
    throw other(
      `${isTest === 1 ? 'live' : 'test'} mode data, and the key is of ${isTest === 1 ? 'test' : 'live'} mode`,
    );
  if (storedId !== '' && account.id !== '' && storedId !== account.id)
    throw other(`account ${storedId}, and the key is of ${account.id}`);
  // One of the two has no name: what the file holds must tell.
  if ((account.id === '' || storedId === '') && !(await holdsOurObjects(db, api)))
    throw other('objects that this key cannot find');
  db.prepare(
    'UPDATE td_metadata SET cli_version = ?, stripe_version = ?, stripe_account_id = ?, stripe_account = ? WHERE id = 1',
  ).run(
    version,
    options.stripe.apiVersion,
    account.id === '' ? storedId : account.id,
    object === undefined ? String(row['stripe_account']) : toJson(object),
  );
  return { ...account, id: account.id === '' ? storedId : account.id };
}

/** Kinds whose ids are read to prove that a file and a key belong together. */
const WITNESSES: readonly { readonly table: string; readonly path: string }[] = [
  { table: 'charges', path: '/v1/charges/' },
  { table: 'payment_intents', path: '/v1/payment_intents/' },
  { table: 'invoices', path: '/v1/invoices/' },
  { table: 'customers', path: '/v1/customers/' },
  { table: 'subscriptions', path: '/v1/subscriptions/' },
  { table: 'balance_transactions', path: '/v1/balance_transactions/' },
  { table: 'products', path: '/v1/products/' },
];

async function holdsOurObjects(db: DatabaseSync, api: Api): Promise<boolean> {
  let missing = 0;
  for (const witness of WITNESSES) {
    const exists = db
      .prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?")
      .get(witness.table);
    if (exists === undefined) continue;
    const rows = db.prepare(`SELECT id FROM ${witness.table} ORDER BY rowid DESC LIMIT 2`).all();
    for (const row of rows) {
      try {
        const found = await api.get(witness.path + encodeURIComponent(String(row['id'])), {
          endpoint: `GET ${witness.path}{id}`,
          purpose: 'key',
        });
        if (isObject(found)) return true;
      } catch (error) {
        if (!(error instanceof ApiProblem) || error.kind === 'stopped' || error.kind === 'refused')
          throw error;
        if (error.kind === 'missing') missing += 1;
        else break;
      }
    }
  }
  // One object may have been deleted meanwhile; none of several found is another account.
  return missing < 2;
}

/** The heartbeat of td_metadata; raises no `data_version`. */
export function writeHeartbeat(db: DatabaseSync, now: number): void {
  db.prepare('UPDATE td_metadata SET heartbeat_ts = ? WHERE id = 1').run(timestampMs(now));
}
