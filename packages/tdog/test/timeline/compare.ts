import { DatabaseSync } from 'node:sqlite';

/** One value that differs, or a row that is missing or too many. */
export interface Difference {
  readonly table: string;
  readonly id: string;
  readonly column: string | undefined;
  readonly expected: unknown;
  readonly actual: unknown;
}

/** A difference that is right, and why. */
export interface Exception {
  readonly table: string;
  readonly id: string;
  readonly reason: string;
}

/** What {@link compareWithDownload} found. */
export interface CompareResult {
  readonly differences: readonly Difference[];
  readonly exceptions: readonly Exception[];
  /** Values compared. */
  readonly compared: number;
}

type Row = Readonly<Record<string, unknown>>;

/** Tables of the download that hold no Stripe objects, or that its downloads leave empty. */
const NO_OBJECTS: ReadonlySet<string> = new Set(['notification_events', 'events', 'sqlite_sequence']);
/** Columns that are of the program and not of Stripe; secrets are never stored. */
const NOT_OF_STRIPE: ReadonlySet<string> = new Set(['insert_ts', 'update_ts', 'client_secret']);

/**
 * Compares the engine's file with a recorded download of tdog 0.7 on the columns that both have. Each exception has a
 * reason; nothing else may differ.
 */
export function compareWithDownload(file: string, download: string): CompareResult {
  const ours = new DatabaseSync(file, { readOnly: true });
  // `immutable`: the recorded files lie in a folder that nobody may write to.
  const theirs = new DatabaseSync(new URL(`file://${download}?immutable=1`), { readOnly: true });
  const differences: Difference[] = [];
  const exceptions: Exception[] = [];
  let compared = 0;
  try {
    for (const table of tablesOf(theirs)) {
      if (table.startsWith('td_') || NO_OBJECTS.has(table)) continue;
      const expected = rowsById(theirs, table);
      const actual = tablesOf(ours).includes(table) ? rowsById(ours, table) : new Map<string, Row>();
      for (const [id, row] of expected) {
        const mine = actual.get(id);
        if (mine === undefined) {
          const reason = mayBeMissing(table);
          if (reason === undefined)
            differences.push({ table, id, column: undefined, expected: 'a row', actual: 'no row' });
          else exceptions.push({ table, id, reason });
          continue;
        }
        for (const [column, value] of Object.entries(row)) {
          // The first column of a recorded table is a row number.
          if (!(column in mine) || NOT_OF_STRIPE.has(column)) continue;
          compared += 1;
          if (canonical(value) === canonical(mine[column])) continue;
          const reason = mayDiffer(ours, table, id, column, mine[column]);
          if (reason === undefined)
            differences.push({ table, id, column, expected: value, actual: mine[column] });
          else exceptions.push({ table, id: `${id}.${column}`, reason });
        }
      }
      for (const [id, row] of actual) {
        if (expected.has(id)) continue;
        const reason = mayStay(ours, theirs, table, row);
        if (reason === undefined)
          differences.push({ table, id, column: undefined, expected: 'no row', actual: 'a row' });
        else exceptions.push({ table, id, reason });
      }
    }
  } finally {
    ours.close();
    theirs.close();
  }
  return { differences, exceptions, compared };
}

function mayBeMissing(table: string): string | undefined {
  if (table === 'balance_transactions')
    return 'no event ever carries a balance transaction, so a recording of events cannot serve it';
  return undefined;
}

/** Values that tdog 0.7 itself got wrong. */
const WRONG_THEN: Readonly<Record<string, string>> = {
  'products.type': 'tdog 0.7 always wrote NULL; the mirror has the value that Stripe sends',
  'disputes.is_charge_refundable': 'tdog 0.7 always wrote 0; the mirror has the value that Stripe sends',
};

function mayDiffer(
  ours: DatabaseSync,
  table: string,
  id: string,
  column: string,
  actual: unknown,
): string | undefined {
  const wrong = WRONG_THEN[`${table}.${column}`];
  if (wrong !== undefined) return wrong;
  // Proof from the recording itself: the newest state that any event shows is what the mirror has.
  const recorded = newestRecorded(ours, id, KINDS[table] ?? table.replace(/s$/, ''));
  if (recorded === undefined || !(column in recorded)) return undefined;
  const value = recorded[column];
  const forms = [
    value,
    typeof value === 'number' ? seconds(value) : undefined,
    JSON.stringify(value),
    // Empty metadata is stored as NULL.
    JSON.stringify(value) === '{}' ? null : undefined,
  ];
  return forms.some((form) => form !== undefined && canonical(form) === canonical(actual))
    ? `${column}: Stripe changed it without an event; the newest event that shows the object has the mirror's value`
    : undefined;
}

/** `object` of a table's rows where it is not the name without its s. */
const KINDS: Readonly<Record<string, string>> = { invoice_line_items: 'line_item' };

const seconds = (value: number): string =>
  new Date(value * 1_000).toISOString().slice(0, 19).replace('T', ' ');

/** The object as the newest event shows it, by itself or inside another. */
function newestRecorded(db: DatabaseSync, id: string, kind: string): Row | undefined {
  const events = db
    .prepare('SELECT payload FROM events WHERE instr(payload, ?) > 0 ORDER BY created DESC, rowid DESC')
    .all(`"${id}"`);
  for (const event of events) {
    const payload = JSON.parse(String(event['payload'])) as { data: { object: unknown } };
    const found = find(payload.data.object, id, kind);
    if (found !== undefined) return found;
  }
  return undefined;
}

function find(value: unknown, id: string, kind: string): Row | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const object = value as Row;
  if (object['id'] === id && object['object'] === kind) return object;
  for (const [key, inner] of Object.entries(object)) {
    // A charge's source is a copy of the moment of the charge.
    if (key === 'source') continue;
    const found = find(inner, id, kind);
    if (found !== undefined) return found;
  }
  return undefined;
}

const ATTACHABLE: ReadonlySet<string> = new Set(['payment_methods', 'sources', 'cards', 'bank_accounts']);

/** Rows that the mirror has although no list of Stripe shows them any more. */
function mayStay(ours: DatabaseSync, theirs: DatabaseSync, table: string, row: Row): string | undefined {
  const id = String(row['id']);
  const happened = (type: string): boolean =>
    ours.prepare('SELECT 1 FROM events WHERE object_id = ? AND type = ?').get(id, type) !== undefined;
  if (table === 'discounts' && happened('customer.discount.deleted'))
    return 'ended, so no list shows it; invoices that were paid with it refer to it';
  if (table === 'discounts' && ['customer', 'subscription', 'invoice'].every((owner) => row[owner] === null))
    return 'of an order, which names no discount: only its event ever shows it';
  if (ATTACHABLE.has(table)) {
    const customer = row['customer'];
    const lives =
      typeof customer === 'string' &&
      theirs.prepare('SELECT 1 FROM customers WHERE id = ?').get(customer) !== undefined;
    if (!lives) return 'attached to no customer that exists, so no list shows it; Stripe has it by id';
    if (happened('customer.source.deleted') || happened('payment_method.detached'))
      return 'detached, so no list shows it; charges refer to it';
  }
  if (table === 'coupons' && happened('coupon.deleted'))
    return 'deleted, so no list shows it; discounts refer to it';
  return undefined;
}

function tablesOf(db: DatabaseSync): readonly string[] {
  return db
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
    .all()
    .map((row) => String(row['name']));
}

function rowsById(db: DatabaseSync, table: string): ReadonlyMap<string, Row> {
  return new Map(
    db
      .prepare(`SELECT * FROM "${table}"`)
      .all()
      .map((row) => [String(row['id']), row] as const),
  );
}

/** The same text for the same value: JSON without its order of keys and without the nulls that tdog 0.7 made up. */
function canonical(value: unknown): string {
  if (typeof value === 'string' && /^[[{]/.test(value)) {
    try {
      return JSON.stringify(sorted(JSON.parse(value)));
    } catch {
      return value;
    }
  }
  return JSON.stringify(value);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return (value as unknown[]).map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
