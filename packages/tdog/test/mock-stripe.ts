import http from 'node:http';
import type { AddressInfo } from 'node:net';

import { catalog, type Catalog } from '../src/index.ts';

type CatalogTable = Catalog['tables'][number];

/** A server that answers every list with one full object of its kind, and unknown parameters with 400. */
export interface MockStripe {
  readonly url: string;
  /** Paths that were asked for, without their query. */
  readonly asked: ReadonlySet<string>;
  /** Refusals that were sent, with the reason. */
  readonly refused: readonly string[];
  close(): Promise<void>;
}

/** Makes the object of a table; `undefined` = an empty list. */
export type MakeObject = (table: CatalogTable) => Record<string, unknown> | undefined;

/** An object with a value in every property that the catalogue knows. */
export function fullObject(table: CatalogTable): Record<string, unknown> {
  const object: Record<string, unknown> = { object: table.object };
  for (const column of table.columns) object[column.name] = valueOf(table, column);
  // A card and a bank account belong to a customer or to an account, not to both.
  if (table.table.startsWith('external_account_')) object['customer'] = null;
  else if (table.table === 'cards' || table.table === 'bank_accounts') object['account'] = null;
  return object;
}

function valueOf(table: CatalogTable, column: CatalogTable['columns'][number]): unknown {
  if (column.name === 'id') return idFor(table.table);
  if (column.name === 'object') return table.object;
  if (column.list === true) return { object: 'list', data: [], has_more: false, url: '/v1/x' };
  switch (column.type) {
    case 'integer':
      return 7;
    case 'timestamp':
      return 1_700_000_000;
    case 'real':
      return 1.5;
    case 'boolean':
      return true;
    case 'json':
      return { some: 'thing', [column.name]: [1, 2] };
    default:
      return `${column.name}_1`;
  }
}

/** The id of the one object of a table. */
export function idFor(table: string): string {
  return table === 'own_account' ? 'acct_mock' : `${table}_1`;
}

/** Starts the server on a free port of loopback. */
export async function startMockStripe(
  make: MakeObject,
  first: (path: string, response: http.ServerResponse) => boolean = () => false,
): Promise<MockStripe> {
  const asked = new Set<string>();
  const refused: string[] = [];
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    asked.add(url.pathname);
    // A fault instead of an answer.
    if (first(url.pathname, response)) return;
    const answer = (status: number, body: unknown): void => {
      if (status >= 400) refused.push(`${status} ${request.url ?? ''}`);
      response.writeHead(status, { 'content-type': 'application/json', 'request-id': 'req_mock' });
      response.end(JSON.stringify(body));
    };
    const error = (status: number, message: string, code?: string): void =>
      answer(status, { error: { type: 'invalid_request_error', message, code } });
    const tables = catalog.tables.filter((table) => matches(table.path, url.pathname));
    if (tables.length > 0) {
      const [table] = tables as [CatalogTable];
      for (const name of url.searchParams.keys())
        if (!allowed(tables, table, name))
          return error(400, `Received unknown parameter: ${name}`, 'parameter_unknown');
      for (const name of table.requiredListParams ?? [])
        if (!url.searchParams.has(name))
          return error(400, `Missing required param: ${name}`, 'parameter_missing');
      if (table.kind === 'singleton') return answer(200, make(table));
      const data = tables.map(make).filter((object) => object !== undefined);
      return answer(200, { object: 'list', url: url.pathname, has_more: false, data });
    }
    const byId = catalog.tables.find((table) => matches(table.retrievePath, url.pathname));
    const object = byId === undefined ? undefined : make(byId);
    if (byId === undefined) return error(404, `Unrecognized request URL (GET: ${url.pathname})`);
    const id = decodeURIComponent(url.pathname.split('/').at(-1) ?? '');
    if (object === undefined) return error(404, `No such ${byId.object}: '${id}'`, 'resource_missing');
    return answer(200, { ...object, id });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    refused,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function matches(template: string | undefined, path: string): boolean {
  if (template === undefined) return false;
  const pattern = template.replaceAll(/\{\w+\}/g, '[^/]+');
  return new RegExp(`^${pattern}$`).test(path);
}

const PARAMS: Readonly<Record<string, readonly string[]>> = {
  customers: ['test_clock', 'email'],
  subscriptions: ['status', 'test_clock', 'customer'],
  quotes: ['test_clock', 'customer'],
  subscription_schedules: ['customer'],
  refunds: ['charge'],
  file_links: ['file'],
  invoice_payments: ['invoice'],
};

function allowed(tables: readonly CatalogTable[], table: CatalogTable, name: string): boolean {
  if (name === 'expand[]') return true;
  if (name === 'limit' || name === 'starting_after' || name === 'ending_before')
    return table.unpaged !== true && table.kind !== 'singleton';
  if (/^created\[(gte|gt|lte|lt)\]$/.test(name)) return table.created === true;
  if (table.parent?.in === 'query' && table.parent.param === name) return true;
  if (table.requiredListParams?.includes(name) === true) return true;
  if (table.listVariants?.some((variant) => name in variant.params) === true) return true;
  return tables.some((one) => PARAMS[one.table]?.includes(name) === true);
}
