import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { catalog, createSync, tableNames } from '../src/index.ts';
import { NOT_WALKED } from '../src/download/lists.ts';
import { isSecret } from '../src/model/scrub.ts';
import { fullObject, idFor, startMockStripe, type MockStripe } from './mock-stripe.ts';

let folder: string;
let mock: MockStripe;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tdog-'));
});
afterEach(async () => {
  await mock.close();
  rmSync(folder, { recursive: true, force: true });
});

const secretKey = 'sk_test_' + 'mock';

async function download(tables: 'core' | 'all'): Promise<DatabaseSync> {
  const file = join(folder, 'stripe.sqlite');
  const result = await createSync({ stripe: { secretKey, apiBase: mock.url }, file, tables }).run();
  expect(result.tables.filter((table) => table.state === 'failed')).toEqual([]);
  return new DatabaseSync(file, { readOnly: true });
}

/** Children that only come inside their parents. */
function withChildren(table: (typeof catalog.tables)[number]): Record<string, unknown> {
  const object = fullObject(table);
  if (table.table === 'own_account') object['id'] = 'acct_mock';
  if (table.table === 'discounts') object['source'] = { type: 'coupon', coupon: 'coupons_1' };
  for (const nested of table.nestedLists ?? []) {
    const data = nested.childTable
      .split('|')
      .map((name) => catalog.tables.find((child) => child.table === name))
      .filter((child) => child !== undefined)
      .map((child) => fullObject(child));
    const path = nested.property.split('.');
    let holder = object;
    for (const step of path.slice(0, -1)) holder = holder[step] = { ...(holder[step] as object) };
    holder[path.at(-1) ?? ''] = { object: 'list', data, has_more: false, url: nested.path };
  }
  if (table.table === 'customers') {
    const cash = catalog.tables.find((one) => one.table === 'cash_balances') ?? table;
    object['cash_balance'] = { ...fullObject(cash), customer: idFor('customers') };
    object['discount'] = { ...fullObject(catalog.tables.find((one) => one.table === 'discounts') ?? table) };
  }
  if (table.table === 'sources') object['type'] = 'ach_credit_transfer';
  if (table.table === 'payment_intents') object['amount_details'] = { line_items: [] };
  if (table.table === 'financial_connections_accounts') object['subscriptions'] = ['transactions'];
  return object;
}

test.each(['core', 'all'] as const)('%s: every table has its row and no property is lost', async (which) => {
  mock = await startMockStripe((table) => {
    if (table.object === 'event' || table.object === 'test_helpers.test_clock')
      return table.object === 'event' ? undefined : fullObject(table);
    return withChildren(table);
  });
  const db = await download(which);
  const empty: string[] = [];
  const lost: string[] = [];
  for (const spec of catalog.tables) {
    if (!tableNames(which).includes(spec.table) || spec.object === 'event' || spec.table in NOT_WALKED)
      continue;
    const row = db.prepare(`SELECT * FROM "${spec.table}"`).get();
    if (row === undefined) {
      empty.push(spec.table);
      continue;
    }
    for (const column of spec.columns) {
      if (column.name === 'object' || isSecret(spec.object, column.name)) continue;
      // The file keeps the discount of a customer as its id, and so on; it is there in some form.
      const value =
        row[column.name] ?? row[`${column.name}_x`] ?? row[`${column.name}_ts`] ?? row[`${column.name}_json`];
      if (value === null || value === undefined) lost.push(`${spec.table}.${column.name}`);
    }
  }
  db.close();
  expect(empty).toEqual([]);
  // A payout card names its account and no customer; a customer's the other way round.
  expect(lost.filter((name) => !/(cards|bank_accounts)\.(account|customer)$/.test(name))).toEqual([]);
});

test('no request is refused for an unknown parameter', async () => {
  mock = await startMockStripe((table) => (table.object === 'event' ? undefined : withChildren(table)));
  (await download('all')).close();
  expect(mock.refused.filter((line) => line.startsWith('400'))).toEqual([]);
});

test('secrets inside objects are stored nowhere', async () => {
  const secret = 'very-secret-value';
  const address = `https://hooks.stripe.com/redirect?payment_intent=pi_1&payment_intent_client_secret=${secret}&merchant=acct_1`;
  mock = await startMockStripe((table) => {
    if (table.object === 'event')
      return {
        id: 'evt_1',
        object: 'event',
        type: 'payment_intent.created',
        created: 1_700_000_000,
        api_version: null,
        livemode: false,
        data: {
          object: {
            id: 'x',
            object: 'payment_intent',
            client_secret: secret,
            next_action: { redirect_to_url: { url: address } },
          },
          previous_attributes: { next_action: { redirect_to_url: { url: address } } },
        },
      };
    const object = withChildren(table);
    object['client_secret'] = secret;
    object['confirmation_secret'] = { client_secret: secret, type: 'payment_intent' };
    object['unknown_property'] = { deep: [{ client_secret: secret, kept: 'kept', url: address }] };
    object['next_action'] = { redirect_to_url: { url: address, return_url: address } };
    object['return_url'] = address;
    if (table.object === 'identity.verification_session') object['url'] = secret;
    object['session'] = { id: 'bps_1', object: 'billing_portal.session', url: secret };
    if (table.object === 'webhook_endpoint') object['secret'] = secret;
    if (table.object === 'issuing.card') Object.assign(object, { number: secret, cvc: secret });
    return object;
  });
  const db = await download('all');
  const names = db
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
    .all()
    .map((row) => String(row['name']));
  const found: string[] = [];
  for (const name of names)
    for (const row of db.prepare(`SELECT * FROM "${name}"`).all())
      if (JSON.stringify(row).includes(secret)) found.push(name);
  expect(found).toEqual([]);
  expect(db.prepare('SELECT extra FROM customers').get()?.['extra']).toContain('"kept":"kept"');
  db.close();
});
